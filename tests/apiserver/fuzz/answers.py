"""Which failures of the server are upstream's own."""

from __future__ import annotations

_BEGINNINGS = ("failed to create typed patch object", "strconv.ParseUint: parsing ")


def is_upstreams(message: str) -> bool:
    """kube-apiserver says 500, too, to a document of server-side apply that does not fit the schema, to an element of a
    list without its key, and to a resource version that is no number."""
    return message.startswith(_BEGINNINGS) or "does not contain declared merge key" in message
