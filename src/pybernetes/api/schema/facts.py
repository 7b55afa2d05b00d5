"""The generated facts about the API's types, as values.

A type is written `string`, `int32`, `quantity`, …, `core_v1.Container` for a struct, `[]T` for a list, `{}T` for a map.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from typing import Any

import msgspec

from pybernetes.api import kinds

# Kinds that are served only below other resources, or that are only sent.
_ELSEWHERE = {
    ("autoscaling", "v1", "Scale"): "autoscaling_v1",
    ("policy", "v1", "Eviction"): "policy_v1",
    ("authentication.k8s.io", "v1", "TokenRequest"): "authentication_v1",
    ("", "v1", "DeleteOptions"): "meta_v1",
    ("", "v1", "Status"): "meta_v1",
    ("", "v1", "APIGroup"): "meta_v1",
    ("", "v1", "APIVersions"): "meta_v1",
    ("meta.k8s.io", "v1", "DeleteOptions"): "meta_v1",
    ("meta.k8s.io", "v1", "Status"): "meta_v1",
}


@dataclass(frozen=True, slots=True)
class FieldFacts:
    name: str
    type: str
    required: bool = False
    always: bool = False
    """Written even when empty."""
    null: bool = False
    """Written as null when it is absent."""
    omit: bool = False
    """Left out when it holds its type's zero: upstream's field is a value, not a pointer."""
    list_type: str = ""
    """`atomic`, `set`, `map`, or "" for unstated."""
    keys: tuple[str, ...] = ()
    map_type: str = ""
    merge_key: str = ""
    strategies: tuple[str, ...] = ()
    """How strategic merge patches treat it: `merge`, `replace`, `retainKeys`."""
    enum: tuple[str, ...] = ()
    go: str = ""
    embedded: str = ""
    """The structs that upstream has between its owner and the field: `RuleWithOperations.Rule`."""

    is_list: bool = field(init=False, repr=False, compare=False)
    is_map: bool = field(init=False, repr=False, compare=False)
    item: str = field(init=False, repr=False, compare=False)
    """The type of a list's or map's elements, else the type itself."""
    struct: str = field(init=False, repr=False, compare=False)
    """The definition of the value, or of its elements; "" where it is none."""

    def __post_init__(self) -> None:
        is_list, is_map = self.type.startswith("[]"), self.type.startswith("{}")
        item = self.type[2:] if is_list or is_map else self.type
        object.__setattr__(self, "is_list", is_list)
        object.__setattr__(self, "is_map", is_map)
        object.__setattr__(self, "item", item)
        object.__setattr__(self, "struct", item if "." in item else "")


@dataclass(frozen=True)
class Definition:
    id: str
    """`core_v1.Container`"""
    kind: tuple[str, str, str] | None
    atomic: bool
    raw: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.id.rpartition(".")[2]

    @cached_property
    def fields(self) -> Mapping[str, FieldFacts]:
        return {name: _field(name, raw) for name, raw in self.raw["fields"].items()}


def _field(name: str, raw: Mapping[str, Any]) -> FieldFacts:
    return FieldFacts(
        name=name,
        type=raw["type"],
        required=raw.get("required", False),
        always=raw.get("always", False),
        null=raw.get("null", False),
        omit=raw.get("omit", False),
        list_type=raw.get("list", ""),
        keys=tuple(raw.get("keys", ())),
        map_type=raw.get("map", ""),
        merge_key=raw.get("merge_key", ""),
        strategies=tuple(raw["strategy"].split(",")) if "strategy" in raw else (),
        enum=tuple(one for one in raw.get("enum", ()) if one is not None),
        go=raw.get("go", ""),
        embedded=raw.get("embedded", ""),
    )


@cache
def module_facts(module: str) -> Mapping[str, Definition]:
    """Every definition of a generated module, by its name."""
    raw = msgspec.json.decode(files(__package__).joinpath(f"{module}.json").read_bytes())
    return {name: _definition(module, name, facts) for name, facts in raw.items()}


def _definition(module: str, name: str, facts: Mapping[str, Any]) -> Definition:
    kinds_ = facts.get("kinds", ())
    return Definition(f"{module}.{name}", tuple(kinds_[0]) if kinds_ else None, facts.get("map") == "atomic", facts)


def definition(id: str) -> Definition:
    """By its id, such as `core_v1.Container`. Raises LookupError."""
    module, _, name = id.rpartition(".")
    try:
        return module_facts(module)[name]
    except (KeyError, FileNotFoundError) as error:
        raise LookupError(f"no definition {id}") from error


def definitions(group: str, version: str) -> Mapping[str, Definition]:
    """The definitions of a group's version, by name. Raises LookupError."""
    for info in kinds.ALL:
        if (info.group, info.version) == (group, version):
            return module_facts(info.module)
    raise LookupError(f"no group {group}/{version}" if group else f"no version {version}")


def module_of(group: str, version: str, kind: str) -> str:
    """The generated module that defines a kind. Raises LookupError."""
    module = _ELSEWHERE.get((group, version, kind))
    if module:
        return module
    if kind.endswith("List"):
        return kinds.by_gvk(group, version, kind.removesuffix("List")).module
    return kinds.by_gvk(group, version, kind).module
