"""Benchmarks of the merge engine: `python -m bench --help`."""
