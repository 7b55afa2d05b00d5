"""How much space fields take."""

from __future__ import annotations


def base64_size(encoded: str | bytes) -> int:
    """The number of bytes that base64 text stands for; bytes are taken as decoded already."""
    if isinstance(encoded, bytes):
        return len(encoded)
    return len(encoded) * 3 // 4 - encoded[-2:].count("=")
