"""The scheduler's plugins: a module each. Their rows are in ``scheduler/registry.py``."""
