"""The walk over a document, compiled once per definition.

Guarantees  `read` leaves its argument alone. What comes out has no null but for times that upstream writes as null, no
unknown field, every value in its canonical form, the fields that upstream always writes, and none that it leaves out
when empty. Reading what was read changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, NamedTuple, Protocol

from pybernetes.api.schema.facts import Definition, FieldFacts, definition, module_of
from pybernetes.api.schema.scalars import GO_TYPES, READERS, ZERO, Place, Reader, exactly, mismatch, path_of
from pybernetes.api.schema.templates import remembering

Document = dict[str, Any]


class Reading(NamedTuple):
    document: Document
    unknown: Sequence[str]
    """Paths of the fields that the kind has not: `spec.containers[0].port`."""


@dataclass(frozen=True)
class Shape:
    """What documents of one kind look like."""

    definition: Definition

    def read(self, document: Document, before: Document | None = None) -> Reading:
        """Raises DecodeError when a value has not its field's type.

        ``before`` has been read once: what the document shares with it is taken as it is.
        """
        unknown: list[str] = []
        return Reading(self._whole(document, None, unknown, before), unknown)

    @cached_property
    def _whole(self) -> Rereader:
        return _struct(self.definition.id)

    def read_applied(self, document: Document) -> Reading:
        """As `read`, for the outcome of an apply. Raises DecodeError."""
        return self.read(document)


@cache
def shape_of(group: str, version: str, kind: str) -> Shape:
    """Raises LookupError when there is no such kind."""
    return Shape(definition(f"{module_of(group, version, kind)}.{kind}"))


class Rereader(Protocol):
    """A reader that knows what stood in a value's place before it was changed."""

    def __call__(self, value: Any, place: Place | None, unknown: list[str], before: Any = None) -> Any: ...


_structs: dict[str, Rereader] = {}


def _struct(id: str) -> Rereader:
    return _structs.get(id) or _compile(definition(id))


def _compile(facts: Definition) -> Rereader:
    fields: dict[str, tuple[type | None, bool, Reader, str, Rereader | None]] = {}
    always: list[tuple[str, Callable[[], Any]]] = []
    go_type = _go_struct(facts.id)

    def read(value: Any, place: Place | None, unknown: list[str], before: Any = None) -> Any:
        if value.__class__ is not dict:
            raise mismatch(value, place, go_type)
        known = before if before.__class__ is dict else None
        kept: Document = {}
        for key, item in value.items():
            if item is None:
                if key not in fields:
                    unknown.append(path_of(place, key))
                continue
            field = fields.get(key)
            if field is None:
                unknown.append(path_of(place, key))
                continue
            if known is not None and known.get(key) is item:
                kept[key] = item
                continue
            plain, omit, reader, left, rereader = field
            if item.__class__ is not plain:
                if known is None or rereader is None:
                    item = reader(item, (place, key, left), unknown)
                else:
                    item = rereader(item, (place, key, left), unknown, known.get(key))
            if item or not omit:
                kept[key] = item
        for key, make in always:
            if key not in kept:
                kept[key] = make()
        return kept

    _structs[facts.id] = read
    for field in facts.fields.values():
        plain, reader = _PLAIN.get(field.type), _reader(_rounded(field.type, facts), _go_name(field, facts))
        fields[field.name] = (plain, field.omit, reader, _left(field, facts), _rereader(field.type, reader))
        if field.always:
            always.append((field.name, _zero(field.type)))
        elif field.null:
            always.append((field.name, lambda: None))
    return read


def _rounded(type_: str, owner: Definition) -> str:
    """Amounts of a resource list are rounded while they are defaulted (SetDefaults_ResourceList)."""
    return "{}resource" if type_ == "{}quantity" and owner.id.startswith("core_v1.") else type_


_SEEN_OFTEN = "core_v1.PodSpec"
_PLAIN: dict[str, type] = {"string": str, "boolean": bool}


def _left(field: FieldFacts, owner: Definition) -> str:
    """The struct that a step to the field leaves, and the embedded ones it goes through."""
    embedded = "TypeMeta" if owner.kind and field.name in ("kind", "apiVersion") else field.embedded
    return f"{owner.name}.{embedded}" if embedded else owner.name


def _reader(type_: str, go: str) -> Reader:
    """``go`` is what Go calls the type."""
    if type_.startswith("[]"):
        return _list(type_[2:], go)
    if type_.startswith("{}"):
        return _map(type_[2:], go)
    if "." in type_:
        read = _struct(type_)
        return remembering(read) if type_ == _SEEN_OFTEN else read
    return exactly(_PLAIN[type_], go) if type_ in _PLAIN else READERS[type_]


def _rereader(type_: str, reader: Reader) -> Rereader | None:
    """Of structs and of lists of them; None: what has changed is read as if it were new."""
    if type_.startswith("[]") and "." in type_[2:] and not type_.startswith(("[][]", "[]{}")):
        return _list_again(_struct(type_[2:]), reader)
    return _struct(type_) if "." in type_ and type_[0] not in "[{" else None


def _list_again(read_item: Rereader, read: Reader) -> Rereader:
    def read_again(value: Any, place: Place | None, unknown: list[str], before: Any = None) -> Any:
        if value.__class__ is not list or before.__class__ is not list or None in value:
            return read(value, place, unknown)
        known = before + [None] * (len(value) - len(before))
        return [
            one if one is was else read_item(one, (place, index, ""), unknown, was)
            for index, (one, was) in enumerate(zip(value, known, strict=False))
        ]

    return read_again


def _list(item: str, go: str) -> Reader:
    read_item, zero, plain = _reader(item, _go_item(go, item)), _zero(item), _PLAIN.get(item)

    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        if value.__class__ is not list:
            raise mismatch(value, place, go)
        return [
            one if one.__class__ is plain else zero() if one is None else read_item(one, (place, index, ""), unknown)
            for index, one in enumerate(value)
        ]

    return read


def _map(item: str, go: str) -> Reader:
    read_item, zero, plain = _reader(item, _go_item(go, item)), _zero(item), _PLAIN.get(item)

    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        if value.__class__ is not dict:
            raise mismatch(value, place, go)
        return {
            key: one
            if one.__class__ is plain
            else zero()
            if one is None
            else read_item(one, (place, (key,), ""), unknown)
            for key, one in value.items()
        }

    return read


def _zero(type_: str) -> Callable[[], Any]:
    """What stands where a value that is never absent is absent."""
    if type_.startswith("[]"):
        return list
    if type_.startswith("{}"):
        return dict
    if "." in type_:
        return lambda: _struct(type_)({}, None, [])
    value = ZERO.get(type_)
    return lambda: value


def _go_type(type_: str) -> str:
    if type_.startswith("[]"):
        return "[]" + _go_type(type_[2:])
    if type_.startswith("{}"):
        return "map[string]" + _go_type(type_[2:])
    return _go_struct(type_) if "." in type_ else GO_TYPES[type_]


def _go_struct(id: str) -> str:
    module, _, name = id.rpartition(".")
    return f"{module.rpartition('_')[2]}.{name}"


def _go_name(field: FieldFacts, owner: Definition) -> str:
    """Go's name of the field's type."""
    version = owner.id.partition(".")[0].rpartition("_")[2]
    return _qualified(field.go, version) if field.go else _go_type(field.type)


def _go_item(go: str, item: str) -> str:
    """Go's name of the elements of a list or map; those of one with a name of its own have none that is known."""
    if go.startswith("[]"):
        return go[2:]
    return go.partition("]")[2] if go.startswith("map[") else _go_type(item)


def _qualified(go: str, version: str) -> str:
    """As Go prints a type that is written so in a package: aliases of imports are not part of it."""
    if go.startswith("[]"):
        return "[]" + _qualified(go[2:], version)
    if go.startswith("map["):
        key, _, item = go[4:].partition("]")
        return f"map[{_qualified(key, version)}]{_qualified(item, version)}"
    package, dot, name = go.rpartition(".")
    if not dot:
        return f"{version}.{name}" if name[0].isupper() else "uint8" if name == "byte" else name
    return f"v1.{name}" if package.endswith("v1") else go
