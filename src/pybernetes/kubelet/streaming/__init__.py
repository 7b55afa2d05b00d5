"""Streams between a client and a container: sessions, port forwarding, and their wire forms."""
