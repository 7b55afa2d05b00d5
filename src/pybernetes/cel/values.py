"""Values at run time: plain JSON values (dict, list, str, int, float, bool, None), bytes, and the few types here.

An `int` and a `bool` are told apart by their exact class. Maps and lists of documents are used as they are: never
changed, only read.

Follows github.com/google/cel-go/common/types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from pybernetes.api.digits import WholeFraction
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.types import Type

MIN_INT, MAX_INT, MAX_UINT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1


class UInt(int):
    __slots__ = ()


class Duration(int):
    """Nanoseconds."""

    __slots__ = ()


class Optional:
    """`optional.of(x)`; `NONE` holds nothing."""

    __slots__ = ("_value", "present")

    def __init__(self, value: Any = None, *, present: bool = True) -> None:
        self._value = value
        self.present = present

    @property
    def value(self) -> Any:
        if not self.present:
            raise CelError("optional.none() dereference")
        return self._value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Optional) or self.present != other.present:
            return False
        return not self.present or equal(self._value, other._value)

    def __hash__(self) -> int:
        return hash(self.present)


NONE = Optional(present=False)


class Fields:
    """An object whose fields are worked out when they are asked for, and then kept."""

    __slots__ = ("_kept", "_makers")

    def __init__(self, makers: Mapping[str, Callable[[], Any]]) -> None:
        self._makers = makers
        self._kept: dict[str, Any] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._makers

    def __getitem__(self, name: str) -> Any:
        if name not in self._kept:
            self._kept[name] = self._makers[name]()
        return self._kept[name]


class DefaultMap(dict[str, Any]):
    """A map that has an empty map wherever it has nothing."""

    __slots__ = ()

    def __missing__(self, name: str) -> dict[str, Any]:
        return {}


class Opaque:
    """Base of values that only a library knows. ``type`` is their static type."""

    __slots__ = ()
    type: Type


class Made(Opaque):
    """What `Object{…}` and `JSONPatch{…}` make: a typed object with some fields set."""

    __slots__ = ("fields", "type")

    def __init__(self, made: Type, fields: dict[str, Any]) -> None:
        self.type = made
        self.fields = fields

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Made) and self.type == other.type and equal(self.fields, other.fields)

    def __hash__(self) -> int:
        return hash(self.type)


class SetList(list[Any]):
    """A list of the kind `set`: its order says nothing."""

    __slots__ = ()


class MapList(list[Any]):
    """A list of the kind `map`: elements are known by ``keys``."""

    __slots__ = ("keys",)

    def __init__(self, elements: list[Any], keys: tuple[str, ...]) -> None:
        super().__init__(elements)
        self.keys = keys

    def key_of(self, element: Any) -> tuple[Any, ...]:
        return tuple(element.get(key) for key in self.keys)


_KINDS: dict[type, str] = {
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null",
    list: "list",
    SetList: "list",
    MapList: "list",
    dict: "map",
    DefaultMap: "map",
    Fields: "object",
    Duration: "duration",
    datetime: "timestamp",
    Type: "type",
    types.ObjectType: "type",
    Optional: "optional_type",
}
_TYPES = {
    **{name: one for name, one in types.PRIMITIVES.items() if name not in ("dyn", "type")},
    "null": types.NULL,
    "type": types.TYPE,
    "list": Type("list", "list"),
    "map": Type("map", "map"),
    "object": Type("map", "map"),
    "optional_type": Type("opaque", "optional_type"),
}
NUMBERS = frozenset({"int", "uint", "double"})


def kind_of(value: Any) -> str:
    """The name of the value's type without parameters; an opaque value's own name."""
    known = _KINDS.get(value.__class__)
    return known if known is not None else str(_type_of_another(value).name)


def runtime_type(value: Any) -> Type:
    """What `type(value)` gives."""
    known = _TYPES.get(_KINDS.get(value.__class__, ""))
    if known is not None:
        return known
    return _type_of_another(value)


def _type_of_another(value: Any) -> Type:
    """Numbers that are declared to be fractions are so by now."""
    if value.__class__ is WholeFraction:
        raise CelError("invalid data, expected int, got float64")
    found: Type = value.type
    return found


def equal(left: Any, right: Any) -> bool:
    kind, other = kind_of(left), kind_of(right)
    if kind != other:
        return kind in NUMBERS and other in NUMBERS and bool(left == right)
    if kind == "list":
        return _equal_lists(left, right)
    if kind == "map":
        return len(left) == len(right) and all(key in right and equal(value, right[key]) for key, value in left.items())
    if kind == "type":
        return bool(left.name == right.name)
    return bool(left == right)


def _equal_lists(left: list[Any], right: list[Any]) -> bool:
    if len(left) != len(right):
        return False
    if isinstance(left, SetList):
        return all(contains(right, one) for one in left) and all(contains(left, one) for one in right)
    if isinstance(left, MapList):
        by_key = {left.key_of(one): one for one in right if isinstance(one, dict)}
        return all(left.key_of(one) in by_key and equal(one, by_key[left.key_of(one)]) for one in left)
    return all(map(equal, left, right))


def contains(values: list[Any], sought: Any) -> bool:
    if sought.__class__ is str:
        return sought in values
    return any(equal(sought, one) for one in values)


def joined(left: list[Any], right: list[Any]) -> list[Any]:
    """`left + right`; sets and maps merge, keeping the left's order."""
    if isinstance(left, SetList):
        return SetList([*left, *(one for one in right if not contains(left, one))])
    if isinstance(left, MapList):
        newer = {left.key_of(one): one for one in right}
        kept = [newer.pop(left.key_of(one), one) for one in left]
        return MapList([*kept, *newer.values()], left.keys)
    return [*left, *right]


def checked_int(value: int) -> int:
    if not MIN_INT <= value <= MAX_INT:
        raise CelError("integer overflow")
    return value


def checked_uint(value: int) -> UInt:
    if not 0 <= value <= MAX_UINT:
        raise CelError("unsigned integer overflow")
    return UInt(value)
