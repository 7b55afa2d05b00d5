"""What a schema demands of values, compiled once per version of a definition: each part when a value first comes to it,
since most of what large schemas describe is never used.

``compile_values(schema)`` gives the errors of an object: all of them for a new one; for an update those that are in
what has changed (ratcheting): a part that is as it was may stay wrong.

Guarantees  A valid object is walked once, and nothing is made for it. The texts are upstream's.
Follows k8s.io/kube-openapi/pkg/validation/validate (the order of its validators counts: it decides which of several
failed alternatives is told), and pkg/apiserver/validation/ratcheting.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pybernetes.api.digits import WholeFraction
from pybernetes.api.fields import FieldError
from pybernetes.apiserver.custom import alternatives
from pybernetes.apiserver.custom.formats import check_of, checked_format
from pybernetes.apiserver.custom.numbers import check_number
from pybernetes.apiserver.custom.patterns import PatternError, matcher
from pybernetes.apiserver.custom.places import (
    UNCORRELATED,
    Check,
    Found,
    Place,
    errors_of,
    missing,
    mistyped,
    name_of,
    not_among,
    same,
    too_long,
    too_many,
    unplaced,
    wrong,
)

Schema = Mapping[str, Any]
Values = Callable[[Any, Any], Iterator[FieldError]]
"""(new, old) → errors; ``old`` is ``UNCORRELATED`` for a new object."""

_TYPES: dict[type, tuple[str, str]] = {
    bool: ("boolean", ""),
    str: ("string", ""),
    int: ("integer", "int64"),
    float: ("number", "float64"),
    list: ("array", ""),
    dict: ("object", ""),
}
"""Python's type → the schema's type, and the format by which upstream knows it."""
_MOST = 2**63 - 1
"""Whole numbers beyond it are read as fractions."""
_UNSAFE = 2.0**53
"""Fractions from here on are not taken for whole numbers."""
_UNTOLD = frozenset(("apiVersion", "kind"))
"""Fields of the root that are not ratcheted: old and new objects are shown in the same version."""


def compile_values(schema: Schema, root: str = "") -> Values:
    """``root`` is the path of what is checked: "" or `status`."""
    check = _compile(schema, is_root=not root)

    def errors(new: Any, old: Any) -> Iterator[FieldError]:
        found: list[Found] = []
        check(new, UNCORRELATED, None, found)
        if not found:
            return
        if old is not UNCORRELATED:
            found = []
            _descend(check, new, old, None, found)
        yield from errors_of(found, root)

    return errors


def _descend(check: Check, value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
    before = len(found)
    count = check(value, old, place, found)
    if old is not UNCORRELATED and len(found) > before and same(value, old):
        del found[before:]
    return count


def _compile(schema: Schema, *, is_root: bool = False) -> Check:
    table: dict[type, tuple[int, tuple[Check, ...]]] = {}

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        type_ = value.__class__
        if type_ is int and not -_MOST - 1 <= value <= _MOST:
            type_, value = float, float(value)
        made = table.get(type_)
        if made is None:
            made = table[type_] = _for_type(schema, type_, is_root)
        count, parts = made
        for part in parts:
            count += part(value, old, place, found)
        return count

    return check


def _for_type(schema: Schema, type_: type, is_root: bool) -> tuple[int, tuple[Check, ...]]:
    if type_ is type(None):
        return 0, (_null(schema),)
    if type_ is WholeFraction:
        constant, checks = _for_type(schema, float, is_root)
        return constant, tuple(map(_as_fraction, checks))
    return _split(_parts(schema, type_, (_logic(schema), _enum(schema)), is_root))


def _as_fraction(check: Check) -> Check:
    return lambda value, old, place, found: check(float(value), old, place, found)


Part = Check | int
"""An int is a part that demands nothing: what it counts for."""


def _split(parts: Iterator[Part]) -> tuple[int, tuple[Check, ...]]:
    """What values count for whatever they are, and the parts that look at them. Each part counts one more."""
    constant, checks = 1, []
    for part in parts:
        constant += 1
        if isinstance(part, int):
            constant += part
        else:
            checks.append(part)
    return constant, tuple(checks)


def _parts(schema: Schema, type_: type, shared: tuple[Part, Part], is_root: bool) -> Iterator[Part]:
    """In upstream's order; those that apply to a value of the type."""
    logic, enum = shared
    format = checked_format(schema)
    if _types(schema) or format:
        yield _type(schema, type_, format)
    yield logic
    if type_ is str:
        yield _text(schema)
        is_valid = check_of(format) if format else None
        if is_valid is not None:
            yield _format(format, is_valid)
    elif type_ in (int, float):
        yield check_number(schema, format)
    elif type_ is list:
        yield _items(schema)
    yield enum
    if type_ is dict:
        yield _members(schema, is_root)


def _types(schema: Schema) -> tuple[str, ...]:
    if schema.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    return (schema["type"],) if schema.get("type") else ()


def _null(schema: Schema) -> Check:
    wanted, enum = _types(schema), _enum(schema)
    allowed = not wanted or "null" in wanted or bool(schema.get("nullable"))

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        if not allowed:
            found.append(mistyped(place, ",".join(wanted), "null"))
        return int(allowed) + (enum if isinstance(enum, int) else enum(value, old, place, found))

    return check


def _type(schema: Schema, type_: type, format: str) -> Part:
    wanted = _types(schema)
    is_, its_format = _TYPES[type_]
    named = ",".join(wanted)
    numeric = "number" in wanted or "integer" in wanted
    fits = is_ in wanted or (type_ is int and "number" in wanted)
    if fits or (format and not numeric and type_ in (str, list)):
        return 1

    def differs(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        if type_ is float and "integer" in wanted and abs(value) < _UNSAFE and value.is_integer():
            return 1
        if format and type_ not in (str, list):
            found.append(mistyped(place, format, its_format))
        else:
            found.append(mistyped(place, named, is_))
        return 0

    return differs


def _logic(schema: Schema) -> Part:
    parts = [
        combine([_compile(one) for one in schema[key]])
        for key, combine in (
            ("anyOf", alternatives.any_of),
            ("oneOf", alternatives.one_of),
            ("allOf", alternatives.all_of),
        )
        if schema.get(key)
    ]
    if schema.get("not") is not None:
        parts.append(alternatives.none_of(_compile(schema["not"])))
    if not parts:
        return 1

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        count = 1
        for part in parts:
            count += part(value, old, place, found)
        return count

    return check


def _text(schema: Schema) -> Part:
    longest, shortest, pattern = schema.get("maxLength"), schema.get("minLength"), schema.get("pattern")
    if longest is None and shortest is None and not pattern:
        return 0
    try:
        search = matcher(pattern) if pattern else None
    except PatternError as error:
        pattern, search = f"{pattern}, but pattern is invalid: {error}", lambda text: None

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        if longest is not None and len(value) > longest:
            found.append(too_long(place, longest))
        elif shortest is not None and len(value) < shortest:
            found.append(wrong(place, value, f"should be at least {shortest} chars long"))
        elif search is not None and not search(value):
            found.append(wrong(place, value, f"should match '{pattern}'"))
        return 0

    return check


def _format(format: str, is_valid: Callable[[str], bool]) -> Check:
    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        if not is_valid(value):
            found.append(mistyped(place, format, value))
        return 0

    return check


def _enum(schema: Schema) -> Part:
    allowed = schema.get("enum") or ()
    if not allowed:
        return 0

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        if not any(one is not None and _is_one_of(value, one) for one in allowed):
            found.append(not_among(place, value, allowed))
        return 0

    return check


def _is_one_of(value: Any, one: Any) -> bool:
    """Go converts a number to the type of what it is compared with: a fraction loses what is behind its point."""
    if value.__class__ is float and one.__class__ is int:
        return int(value) == one
    return same(value, one)


def _items(schema: Schema) -> Check:
    items = schema.get("items")
    element = _compile(items) if isinstance(items, Mapping) else None
    most, least, unique = schema.get("maxItems"), schema.get("minItems"), schema.get("uniqueItems")
    keys = schema.get("x-kubernetes-list-map-keys") if schema.get("x-kubernetes-list-type") == "map" else None

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        count = 1
        if element is not None:
            former = _by_key(old, keys) if keys and isinstance(old, list) else {}
            for index, one in enumerate(value):
                before = former.get(_key(one, keys), UNCORRELATED) if former and keys else UNCORRELATED
                count += _descend(element, one, before, (place, index), found)
        if least is not None and len(value) < least:
            found.append(wrong(place, len(value), f"should have at least {least} items"))
        if most is not None and len(value) > most:
            found.append(too_many(place, len(value), most))
        if unique and any(same(one, other) for at, one in enumerate(value) for other in value[:at]):
            found.append(wrong(place, "", "shouldn't contain duplicates"))
        return count

    return check


def _by_key(elements: list[Any], keys: list[str]) -> dict[str, Any]:
    return {_key(one, keys): one for one in reversed(elements)}


def _key(element: Any, keys: list[str]) -> str:
    return repr([element.get(key) for key in keys]) if isinstance(element, dict) else repr(element)


def _members(schema: Schema, is_root: bool) -> Check:
    declared: Schema = schema.get("properties") or {}
    properties = {name: _compile(one) for name, one in declared.items()}
    others = schema.get("additionalProperties")
    rest = _compile(others) if isinstance(others, Mapping) else None
    closed = others is False
    required = tuple(schema.get("required") or ())
    most, least = schema.get("maxProperties"), schema.get("minProperties")

    def check(value: Any, old: Any, place: Place | None, found: list[Found]) -> int:
        count = 0
        former = old if isinstance(old, dict) else None
        if least is not None and len(value) < least:
            found.append(wrong(place, len(value), f"should have at least {least} properties"))
        if most is not None and len(value) > most:
            found.append(too_many(place, len(value), most))
        for name, one in value.items():
            part = properties.get(name)
            if part is None:
                if closed:
                    found.append(_forbidden(place, name))
                part = rest
            if part is None:
                continue
            before = UNCORRELATED if former is None else former.get(name, UNCORRELATED)
            if is_root and name in _UNTOLD:
                before = UNCORRELATED
            count += _descend(part, one, before, (place, name), found)
        for name in required:
            if name not in value:
                found.append(missing(place, name))
        return count

    return check


def _forbidden(place: Place | None, name: str) -> Found:
    where = name_of(place)
    return Found(where, lambda path, _: unplaced(f"{where}.{name} in body is a forbidden property").make(path, where))
