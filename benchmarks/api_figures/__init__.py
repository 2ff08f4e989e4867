"""The parts of benchmarks/api_load.py."""
