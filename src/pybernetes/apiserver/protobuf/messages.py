"""Upstream's protobuf messages: which field has which number, name and kind, and whether its zero value is written.

The facts are `fields.json`, written by `tools/generate_protobuf.py`.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import orjson

from pybernetes.api.schema import module_of

MAGIC = b"k8s\x00"
"""What a body begins with; `runtime.Unknown` follows."""
_META_KINDS = frozenset(
    {
        "APIGroup",
        "APIGroupList",
        "APIResourceList",
        "APIVersions",
        "DeleteOptions",
        "PartialObjectMetadata",
        "Preconditions",
        "Status",
        "WatchEvent",
    }
)


class ProtobufError(ValueError):
    """The bytes, or the values, are not what they claim to be. The text is upstream's."""


class UnfitMessage(ProtobufError):
    """What is behind the envelope does not fit the kind that it names."""

    def __init__(self, api_version: str, kind: str, why: str) -> None:
        super().__init__(why)
        self.api_version = api_version
        self.kind = kind


class Field(NamedTuple):
    number: int
    name: str
    """In JSON; "" where the message is inlined, or is the list that the field holds."""
    shape: str
    """"[]", "{}", "?" where the zero value is left out, or "" where it is written."""
    kind: str


Fields = dict[int, Field]


def message_of(group: str, version: str, kind: str) -> str:
    if kind in _META_KINDS:
        return f"meta_v1.{kind}"
    if group == "apidiscovery.k8s.io":
        return f"apidiscovery_{version}.{kind}"
    try:
        return f"{module_of(group, version, kind)}.{kind}"
    except LookupError as error:
        raise ProtobufError(f'no kind "{kind}" is registered for version "{group}/{version}"') from error


@cache
def fields_of(message: str) -> Fields:
    """In the order of their numbers. Raises ProtobufError."""
    found = _messages().get(message)
    if found is None:
        raise ProtobufError(f"{message} has no protobuf form")
    return {number: _field(number, *found[str(number)]) for number in sorted(map(int, found))}


def _field(number: int, name: str, type_: str) -> Field:
    shape = next((prefix for prefix in ("[]", "{}", "?") if type_.startswith(prefix)), "")
    return Field(number, name, shape, type_.removeprefix(shape))


@cache
def wraps_a_list(message: str) -> bool:
    """Whether in JSON the message is the list that it wraps."""
    fields = fields_of(message)
    return 1 in fields and fields[1][1:3] == ("", "[]")


@cache
def _messages() -> dict[str, dict[str, tuple[str, str]]]:
    loaded: dict[str, dict[str, tuple[str, str]]] = orjson.loads(
        files(__package__).joinpath("fields.json").read_bytes()
    )
    return loaded
