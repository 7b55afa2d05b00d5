"""Static types of expressions, and when one can stand for another.

Follows github.com/google/cel-go/checker/types.go and mapping.go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Type:
    """``kind`` is the name of a primitive, or list, map, type, opaque, object, parameter."""

    kind: str
    name: str
    params: tuple[Type, ...] = ()

    def __str__(self) -> str:
        shown = _SHORT.get(self.name, self.name)
        return f"{shown}({', '.join(map(str, self.params))})" if self.params else shown


@dataclass(frozen=True, slots=True, eq=False)
class ObjectType(Type):
    """Known by its name; ``fields`` by the names that expressions use."""

    fields: Mapping[str, Type] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    """Names in expressions → names in documents, where they differ (`__namespace__`)."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectType) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


_SHORT = {
    "google.protobuf.Any": "any",
    "google.protobuf.Duration": "duration",
    "google.protobuf.Timestamp": "timestamp",
    "null_type": "null",
}

BOOL = Type("bool", "bool")
INT = Type("int", "int")
UINT = Type("uint", "uint")
DOUBLE = Type("double", "double")
STRING = Type("string", "string")
BYTES = Type("bytes", "bytes")
NULL = Type("null", "null_type")
DURATION = Type("duration", "google.protobuf.Duration")
TIMESTAMP = Type("timestamp", "google.protobuf.Timestamp")
DYN = Type("dyn", "dyn")
ANY = Type("any", "google.protobuf.Any")
"""Any value, as `dyn`, but nothing that can be iterated over."""
ERROR = Type("error", "!error!")
TYPE = Type("type", "type")
PRIMITIVES = {one.kind: one for one in (BOOL, INT, UINT, DOUBLE, STRING, BYTES, DURATION, TIMESTAMP, DYN, TYPE)}


def list_of(element: Type) -> Type:
    return Type("list", "list", (element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def type_of(one: Type) -> Type:
    return Type("type", "type", (one,))


def optional_of(one: Type) -> Type:
    return Type("opaque", "optional_type", (one,))


def opaque(name: str) -> Type:
    return Type("opaque", name)


def parameter(name: str) -> Type:
    return Type("parameter", name)


def object_type(name: str, fields: Mapping[str, Type], properties: Mapping[str, str] | None = None) -> ObjectType:
    return ObjectType("object", name, (), fields, properties or {})


def is_dyn(one: Type) -> bool:
    return one.kind in ("dyn", "any", "error")


def unwrapped(one: Type) -> tuple[Type, bool]:
    """(what an optional may hold, whether it is an optional)."""
    return (one.params[0], True) if one.name == "optional_type" else (one, False)


_NULLABLE = frozenset({"opaque", "object", "duration", "timestamp", "null"})


class Bindings:
    """What type parameters stand for, as far as it is known."""

    def __init__(self) -> None:
        self._known: dict[Type, Type] = {}

    def assignable(self, left: Sequence[Type], right: Sequence[Type]) -> bool:
        """Whether each of ``left`` can stand for its counterpart; only then is anything learned."""
        before = dict(self._known)
        if self._lists(left, right):
            return True
        self._known = before
        return False

    def substitute(self, one: Type, *, unbound: Type | None = None) -> Type:
        """Parameters replaced by what they stand for, and those that are free by ``unbound``."""
        known = self._known.get(one)
        if known is not None:
            return self.substitute(known, unbound=unbound)
        if one.kind == "parameter" and unbound is not None:
            return unbound
        if not one.params:
            return one
        return Type(one.kind, one.name, tuple(self.substitute(each, unbound=unbound) for each in one.params))

    def _lists(self, left: Sequence[Type], right: Sequence[Type]) -> bool:
        return len(left) == len(right) and all(map(self._assignable, left, right))

    def _assignable(self, left: Type, right: Type) -> bool:
        if right.kind == "parameter":
            valid, bound = self._stands_for(left, right)
            if valid or bound:
                return valid
        if left.kind == "parameter":
            return self._stands_for(right, left)[0]
        if is_dyn(left) or is_dyn(right):
            return True
        if left.kind == "null":
            return right.kind in _NULLABLE
        if right.kind == "null":
            return left.kind in _NULLABLE
        if left.kind != right.kind:
            return False
        if left.kind == "type":
            return True
        return left.name == right.name and self._lists(left.params, right.params)

    def _stands_for(self, one: Type, param: Type) -> tuple[bool, bool]:
        """(whether ``one`` can stand for ``param``, whether ``param`` is bound)."""
        if one == param:
            return True, True
        known = self._known.get(param)
        if known is None:
            if self._occurs(param, one):
                return False, False
            self._known[param] = one
            return True, False
        if one == known:
            return True, True
        if not self._assignable(one, known):
            return False, True
        general = most_general(one, known)
        if not self._occurs(param, general):
            self._known[param] = general
        return True, True

    def _occurs(self, param: Type, within: Type) -> bool:
        if param == within:
            return True
        if within.kind == "parameter":
            known = self._known.get(within)
            return known is not None and self._occurs(param, known)
        return any(self._occurs(param, each) for each in within.params)


def most_general(left: Type, right: Type) -> Type:
    return left if _at_most_as_specific(left, right) else right


def _at_most_as_specific(left: Type, right: Type) -> bool:
    if left.kind in ("dyn", "any", "parameter"):
        return True
    if right.kind in ("dyn", "any", "parameter") or left.kind != right.kind:
        return False
    if left.kind == "type":
        return True
    return (
        left.name == right.name
        and len(left.params) == len(right.params)
        and all(map(_at_most_as_specific, left.params, right.params))
    )


def shown_type(one: Type) -> str:
    return f"{one.name}({', '.join(map(shown_type, one.params))})" if one.params else one.name
