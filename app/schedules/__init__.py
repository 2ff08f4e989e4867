"""Schedules: look at one before training with it."""
