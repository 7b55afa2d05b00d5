"""One finalizer that a controller keeps on its objects and takes off when nothing uses them any more.

Follows pkg/util/slice and pkg/controller/volume/protectionutil.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TypeVar

import msgspec

from pybernetes.api.models.meta_v1 import ObjectMeta

T = TypeVar("T", bound=msgspec.Struct)


class Need(Enum):
    NOTHING = auto()
    ADD = auto()
    JUDGE = auto()
    """The object is to go: the finalizer comes off unless something uses it."""


def need_of(metadata: ObjectMeta, finalizer: str) -> Need:
    present = finalizer in metadata.finalizers
    if metadata.deletion_timestamp is None:
        return Need.NOTHING if present else Need.ADD
    return Need.JUDGE if present else Need.NOTHING


def with_finalizer(value: T, finalizer: str) -> T:
    metadata: ObjectMeta = value.metadata  # type: ignore[attr-defined]
    return _with(value, metadata, [*metadata.finalizers, finalizer])


def without_finalizer(value: T, finalizer: str) -> T:
    metadata: ObjectMeta = value.metadata  # type: ignore[attr-defined]
    return _with(value, metadata, [one for one in metadata.finalizers if one != finalizer])


def _with(value: T, metadata: ObjectMeta, finalizers: list[str]) -> T:
    return msgspec.structs.replace(value, metadata=msgspec.structs.replace(metadata, finalizers=finalizers))
