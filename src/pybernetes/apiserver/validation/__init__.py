"""Pieces of validation that kinds share. Each takes models and paths, and yields `FieldError`s."""
