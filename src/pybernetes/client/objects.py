"""What the client knows of any object: its identity, its bytes, lists of it, and changes to it.

An object is a model (a msgspec Struct) or, for kinds known only from discovery, a document (a dict).
"""

from __future__ import annotations

import enum
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from pybernetes.api import codec
from pybernetes.api.codec import Document as Document
from pybernetes.api.codec import encode as encode
from pybernetes.api.meta import Key

T = TypeVar("T")
log = structlog.get_logger(__name__)


class PatchType(enum.StrEnum):
    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


class WatchType(enum.StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"


class WatchEvent(msgspec.Struct, Generic[T], frozen=True, gc=False):
    type: WatchType
    object: T


class ListHead(msgspec.Struct, kw_only=True, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")
    remaining_item_count: int | None = None


class ObjectList(msgspec.Struct, Generic[T], kw_only=True):
    """One page of objects, as they were at one resource version."""

    metadata: ListHead = msgspec.field(default_factory=ListHead)
    items: list[T] = msgspec.field(default_factory=list)

    @property
    def resource_version(self) -> str:
        return self.metadata.resource_version

    @property
    def continue_(self) -> str:
        return self.metadata.continue_


def decode_or_report(type_: type[T], data: bytes | msgspec.Raw) -> T | None:
    """The object, or None with a line in the log: one object that cannot be read must not hide the others."""
    try:
        return codec.decode(type_, bytes(data))
    except msgspec.ValidationError as error:
        log.error("object cannot be decoded", type=getattr(type_, "__name__", str(type_)), error=str(error))
        return None


def decode_list(list_type: type[ObjectList[T]], type_: type[T], data: bytes) -> ObjectList[T]:
    """A list without the objects that cannot be read."""
    try:
        return codec.decode(list_type, data)
    except msgspec.ValidationError:
        raw = codec.decode(ObjectList[msgspec.Raw], data)
    items = [decode_or_report(type_, item) for item in raw.items]
    return ObjectList(metadata=raw.metadata, items=[item for item in items if item is not None])


def key_of(value: Any) -> Key:
    metadata = value["metadata"] if isinstance(value, dict) else value.metadata
    if isinstance(metadata, dict):
        return Key(metadata.get("namespace", ""), metadata.get("name", ""))
    return Key(metadata.namespace or "", metadata.name or "")


def resource_version_of(value: Any) -> str:
    metadata = value["metadata"] if isinstance(value, dict) else value.metadata
    if isinstance(metadata, dict):
        return str(metadata.get("resourceVersion", ""))
    return metadata.resource_version or ""


def uid_of(value: Any) -> str:
    metadata = value["metadata"] if isinstance(value, dict) else value.metadata
    if isinstance(metadata, dict):
        return str(metadata.get("uid", ""))
    return metadata.uid or ""
