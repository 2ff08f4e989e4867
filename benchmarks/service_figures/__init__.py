"""What `benchmarks/service.py` measures, a module for each figure."""
