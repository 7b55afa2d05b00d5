"""Wire formats of streams, without I/O."""
