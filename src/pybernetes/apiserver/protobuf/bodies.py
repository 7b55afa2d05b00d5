"""Answers in protobuf: objects and lists behind the prefix, and the frames of watches.

Follows k8s.io/apimachinery/pkg/runtime/serializer/protobuf: the prefix and a `runtime.Unknown` around each object;
in a watch, frames of a length in four bytes and a bare `WatchEvent`, whose object has the prefix again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pybernetes.apiserver.protobuf.encode import encoder_of, length
from pybernetes.apiserver.protobuf.messages import MAGIC, message_of

Document = dict[str, Any]
_NO_ENCODING = b"\x1a\x00\x22\x00"


def whole(api_version: str, kind: str, raw: bytes) -> bytes:
    """A body around an object's message."""
    identity = _delimited(b"\x0a", api_version.encode()) + _delimited(b"\x12", kind.encode())
    return b"".join((MAGIC, _delimited(b"\x0a", identity), b"\x12", length(raw), raw, _NO_ENCODING))


def whole_list(api_version: str, kind: str, metadata: Document, items: Iterable[bytes]) -> bytes:
    """A body around the messages of a list's items."""
    parts = [_delimited(b"\x0a", encoder_of("meta_v1.ListMeta")(metadata))]
    for item in items:
        parts += (b"\x12", length(item), item)
    return whole(api_version, kind, b"".join(parts))


def message(document: Document) -> bytes:
    """What a document holds, without saying what it is. Raises ProtobufError."""
    group, _, version = document.get("apiVersion", "").rpartition("/")
    return encoder_of(message_of(group, version, document["kind"]))(document)


def body_of(document: Document) -> bytes:
    """A document, which may be a list. Raises ProtobufError."""
    api_version, kind = document.get("apiVersion", ""), document["kind"]
    if kind.endswith("List") and "items" in document:
        item = {"apiVersion": api_version, "kind": kind.removesuffix("List")}
        return whole_list(api_version, kind, document["metadata"], (message(one | item) for one in document["items"]))
    return whole(api_version, kind, message(document))


def frame(type: str, body: bytes) -> bytes:
    """One event of a watch."""
    event = _delimited(b"\x0a", type.encode()) + _delimited(b"\x12", _delimited(b"\x0a", body))
    return len(event).to_bytes(4) + event


def _delimited(tag: bytes, data: bytes) -> bytes:
    return tag + length(data) + data
