"""Faults on purpose: clients that submit, a nemesis that breaks things, and a checker of what was promised."""
