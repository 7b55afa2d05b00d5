"""Measurements of an API server and what stands on it. `python -m benchmarks --help` says how."""
