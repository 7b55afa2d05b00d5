"""Compares two API servers, request by request: what one answers and the other does not."""
