"""Webhooks: addresses that are told what happens to the jobs and data sets of their owner."""
