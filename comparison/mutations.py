"""Every way in which one place of a valid object can be made odd: pure, and the same at each run."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pybernetes.api.schema.facts import Definition, FieldFacts, definition

Place = tuple[str | int, ...]
Document = dict[str, Any]

LONG = "x" * 300
_DEEPEST = 12
_REMOVED = object()
_TEXTS: tuple[Any, ...] = ("", LONG, "A_B", "a b", "é", "-1", "0", "*", "../x", "/abs", "a/b", "x.y", 5, True, [], {})
_QUANTITIES: tuple[Any, ...] = (
    "0", "-1", "1e3", "1E", "abc", "0.0001", "1.5", "500m", "100n", "8Ei", "9" * 30,
    "+5", " 1", "1 ", "1ki", ".5", "1.", 1, 1.5, -2, True, "",
)  # fmt: skip
_ADDRESSES: tuple[Any, ...] = (
    "::1", "1.2.3.4", "01.2.3.4", "10.0.0.0/8", "127.0.0.1", "169.254.1.1", "224.0.0.1", "::ffff:1.2.3.4",
    "0.0.0.0", "fe80::1", "ff02::1", "2001:db8::1", "2001:DB8:0::1", "None", "10.0.0.1/8", "fd00::/64", "10.1.2.3/33",
)  # fmt: skip
_TIMES: tuple[Any, ...] = (
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123456Z", "2026-01-01T05:00:00+05:00", "2026-01-01", "", 5,
)  # fmt: skip
_NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 101, 512, 65535, 65536, 2**31 - 1, 2**31, 2**63 - 1, 2**63, -(2**31) - 1,
    1.5, 1.0, "x", "5", "50%", True, [], {},
)  # fmt: skip
_FLAGS: tuple[Any, ...] = ("true", 1, [], {})
_KEYS = (
    "",
    "a b",
    LONG,
    "/a",
    "a/",
    "A_b/c",
    "kubernetes.io/x",
    "k8s.io/x",
    "a/b/c",
    "example.com/" + "y" * 64,
    "-a",
    "é",
)
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_ADDRESS = re.compile(r"([0-9]+\.){3}[0-9]+(/[0-9]+)?|[0-9a-f:]*::[0-9a-f:/]*")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT.*")


@dataclass(frozen=True, slots=True)
class Mutation:
    """The object with one place of it changed."""

    title: str
    place: Place
    document: Document


def mutations(document: Document, root: str, *, within: Place = ()) -> Iterator[Mutation]:
    """``root`` is the definition of the document, ``core_v1.Pod``; only places below ``within`` are changed."""
    for place, value, facts in _places(document, definition(root)):
        if place[: len(within)] != within or place in (("apiVersion",), ("kind",)):
            continue
        for odd in (_REMOVED, None, *_odd(value, facts)):
            yield Mutation(f"{_path(place)} {_shown(odd)}", place, _changed(document, place, odd))


def _places(
    value: Any, struct: Definition | None, within: Place = ()
) -> Iterator[tuple[Place, Any, FieldFacts | None]]:
    """Every place with a value, and every field of a struct that has none (its value is then what could be there)."""
    for name, member in value.items():
        facts = struct.fields.get(name) if struct is not None else None
        place = (*within, name)
        yield place, member, facts
        inner = definition(facts.struct) if facts is not None and facts.struct else None
        yield from _members(member, inner, place)
    for name, facts in struct.fields.items() if struct is not None else ():
        if name not in value and len(within) < _DEEPEST:
            yield (*within, name), _REMOVED, facts


def _members(value: Any, struct: Definition | None, place: Place) -> Iterator[tuple[Place, Any, FieldFacts | None]]:
    match value:
        case dict() if struct is not None and set(value) <= set(struct.fields):
            yield from _places(value, struct, place)
        case dict():
            for key, member in value.items():
                yield (*place, key), member, None
                yield from _members(member, struct, (*place, key))
        case list():
            for index, member in enumerate(value):
                yield (*place, index), member, None
                yield from _members(member, struct, (*place, index))


def _odd(value: Any, facts: FieldFacts | None) -> tuple[Any, ...]:
    if value is _REMOVED:
        assert facts is not None
        return (filled(facts), *_emptied(facts))
    match value:
        case bool():
            return (not value, *_FLAGS)
        case int() | float():
            return _NUMBERS
        case list():
            return _odd_lists(value)
        case dict():
            return _odd_maps(value)
        case str() if facts is not None and facts.enum:
            return (*facts.enum, *_TEXTS)
        case str() if _TIME.fullmatch(value):
            return (*_TIMES, *_TEXTS)
        case str() if _QUANTITY.fullmatch(value):
            return (*_QUANTITIES, *_TEXTS)
        case str() if _ADDRESS.fullmatch(value):
            return (*_ADDRESSES, *_TEXTS)
    return _TEXTS


def _odd_lists(value: list[Any]) -> tuple[Any, ...]:
    first = value[:1]
    return (
        [],
        [None],
        [{}],
        [""],
        [*value, *copy.deepcopy(value)],
        first * 40,
        [*value, None],
        "x",
        {},
        [[]],
        value[::-1],
    )


def _odd_maps(value: dict[str, Any]) -> tuple[Any, ...]:
    sample = next(iter(value.values()), "a")
    keyed = tuple({**value, key: sample} for key in _KEYS) if _is_map(value) else ()
    return ({}, {**value, "unknownField": 1}, "x", [], *keyed)


def _is_map(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(member, str) for member in value.values())


def _emptied(facts: FieldFacts) -> tuple[Any, ...]:
    if facts.is_list:
        return ([],)
    if facts.is_map or facts.struct:
        return ({},)
    return (
        ("",) if facts.type in ("string", "quantity", "time") else (0, -1) if facts.type.startswith("int") else (False,)
    )


SCALARS: dict[str, Any] = {
    "string": "a",
    "int32": 1,
    "int64": 1,
    "boolean": True,
    "double": 1.0,
    "quantity": "1",
    "time": "2026-01-01T00:00:00Z",
    "microtime": "2026-01-01T00:00:00.000000Z",
    "intstr": 1,
    "bytes": "YQ==",
    "any": {"a": 1},
}
"""A value of each type of the schema facts."""


def filled(facts: FieldFacts, depth: int = 0) -> Any:
    """A value for a field with something in all that is in it; it needs not be allowed."""
    if facts.is_list:
        return [_one(facts, depth)]
    return {"a": _one(facts, depth)} if facts.is_map else _one(facts, depth)


def _one(facts: FieldFacts, depth: int) -> Any:
    if not facts.struct:
        return facts.enum[0] if facts.enum else SCALARS.get(facts.item, "a")
    fields = definition(facts.struct).fields
    return {name: filled(field, depth + 1) for name, field in fields.items() if depth < 2 or not field.struct}


def _changed(document: Document, place: Place, odd: Any) -> Document:
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    if odd is not _REMOVED:
        holder[place[-1]] = odd
    elif isinstance(holder, list):
        del holder[int(place[-1])]
    else:
        holder.pop(place[-1], None)
    return changed


def _path(place: Place) -> str:
    return ".".join(map(str, place))


def _shown(odd: Any) -> str:
    text = "removed" if odd is _REMOVED else f"= {odd!r}"
    return text if len(text) < 80 else f"{text[:80]}…"
