"""What worker processes do for the benchmarks that need several of them; see `child.py`."""
