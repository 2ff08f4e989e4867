"""Tuning as stages: each says which jobs it needs, and decides once they have ended."""
