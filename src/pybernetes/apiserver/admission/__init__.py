"""What may change or refuse a write: one plugin a file, in the order of ``catalog.ORDER``."""
