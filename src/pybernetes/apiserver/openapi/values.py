"""What values fields have when nothing is said, which they can have, and what those without a type are.

The facts are `values.json`, written by `tools/generate_openapi_values.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

GroupVersion = tuple[str, str]


class Values(msgspec.Struct, frozen=True):
    """Of the fields of one type, by name in JSON."""

    defaults: Mapping[str, Any] = {}
    enums: Mapping[str, Sequence[str]] = {}
    free: Mapping[str, str] = {}
    """Which free form (``names.FREE_FORM``) a field, its items or its values have."""
    apart: Sequence[str] = ()
    """Fields whose enums stand one line further below the description."""
    unions: Sequence[Mapping[str, Any]] = ()


class _Facts(msgspec.Struct, frozen=True):
    versions: tuple[GroupVersion, ...]
    types: dict[str, Values]


NO_VALUES = Values()


def values_of(type_name: str) -> Values:
    return _facts().types.get(type_name, NO_VALUES)


def option_versions() -> tuple[GroupVersion, ...]:
    """The groups and versions that know DeleteOptions and WatchEvent."""
    return _facts().versions


def option_versions_of_clients() -> tuple[GroupVersion, ...]:
    """Those that a general client speaks: what documents of custom kinds name."""
    return tuple(one for one in option_versions() if one[0] not in _NOT_FOR_CLIENTS)


_NOT_FOR_CLIENTS = frozenset(
    {"admission.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "imagepolicy.k8s.io"}
)


@cache
def _facts() -> _Facts:
    return msgspec.json.decode(files(__package__).joinpath("values.json").read_bytes(), type=_Facts)
