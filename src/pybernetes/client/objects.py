"""What the client knows of any object: its identity, its bytes, lists of it, and changes to it.

An object is a model (a msgspec Struct) or, for kinds known only from discovery, a document (a dict).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from pybernetes.api.codec import Document as Document
from pybernetes.api.codec import encode as encode
from pybernetes.api.meta import Key

T = TypeVar("T")


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


@dataclass(frozen=True, slots=True)
class WatchEvent(Generic[T]):
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


def key_of(value: Any) -> Key:
    metadata = value["metadata"] if isinstance(value, Mapping) else value.metadata
    if isinstance(metadata, Mapping):
        return Key(metadata.get("namespace", ""), metadata.get("name", ""))
    return Key(metadata.namespace or "", metadata.name or "")


def resource_version_of(value: Any) -> str:
    metadata = value["metadata"] if isinstance(value, Mapping) else value.metadata
    if isinstance(metadata, Mapping):
        return str(metadata.get("resourceVersion", ""))
    return str(metadata.resource_version or "")


def uid_of(value: Any) -> str:
    metadata = value["metadata"] if isinstance(value, Mapping) else value.metadata
    if isinstance(metadata, Mapping):
        return str(metadata.get("uid", ""))
    return str(metadata.uid or "")
