"""Static types and values from OpenAPI schemas.

Follows k8s.io/apiserver/pkg/cel/common/schemas.go and valuesunstructured.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from pybernetes.api.digits import WholeFraction
from pybernetes.apiserver.cel.escaping import RESERVED, escape
from pybernetes.cel import text, types
from pybernetes.cel.errors import CelError
from pybernetes.cel.types import Type
from pybernetes.cel.values import MapList, SetList

Schema = Mapping[str, Any]
MAX_REQUEST = 3 * 1024 * 1024
_INT_OR_STRING = "x-kubernetes-int-or-string"
_EMBEDDED = "x-kubernetes-embedded-resource"
_STRING: Schema = {"type": "string"}
_OBJECT_META: Schema = {"type": "object", "properties": {"name": _STRING, "generateName": _STRING}}


@dataclass(frozen=True, slots=True)
class Declared:
    """A schema as expressions see it, with what bounds the sizes of its values."""

    type: Type
    min_size: int = 0
    """Bytes that the smallest value takes as JSON."""
    max_elements: int = 0
    element: Declared | None = None
    fields: Mapping[str, Declared] = field(default_factory=dict)


def declared(schema: Schema, name: str, *, root: bool) -> Declared | None:
    """The type called ``name``; None where a schema tells too little. ``root`` of a resource has metadata.name."""
    if schema.get(_INT_OR_STRING):
        return Declared(types.DYN, 1, _longest(schema))
    if root:
        schema = with_object_meta(schema)
    make = _DECLARE.get(schema.get("type", ""))
    return make(schema, name) if make else None


def with_object_meta(schema: Schema) -> Schema:
    """Rules at the root of a resource see these fields whatever the schema says."""
    properties = {**(schema.get("properties") or {})}
    properties |= {"kind": _STRING, "apiVersion": _STRING, "metadata": _OBJECT_META}
    return {**schema, "properties": properties}


def _array(schema: Schema, name: str) -> Declared | None:
    items = schema.get("items")
    element = declared(items, f"{name}.@idx", root=bool(items.get(_EMBEDDED))) if items else None
    if element is None:
        return None
    stated = schema.get("maxItems")
    most = max(stated, 0) if stated is not None else (MAX_REQUEST - 2) // (element.min_size + 1)
    return Declared(types.list_of(element.type), 2, most, element)


def _object(schema: Schema, name: str) -> Declared | None:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        element = declared(values, f"{name}.@elem", root=bool(values.get(_EMBEDDED)))
        if element is None:
            return None
        stated = schema.get("maxProperties")
        most = max(stated, 0) if stated is not None else (MAX_REQUEST - 2) // (element.min_size + 6)
        return Declared(types.map_of(types.STRING, element.type), 2, most, element)
    required = set(schema.get("required") or ())
    fields: dict[str, Declared] = {}
    properties: dict[str, str] = {}
    smallest = 2
    for property_name, one in (schema.get("properties") or {}).items():
        found = declared(one, f"{name}.{property_name}", root=bool(one.get(_EMBEDDED)))
        if found is None:
            continue
        escaped = escape(property_name)
        if escaped is not None:
            fields[escaped] = found
            properties[escaped] = property_name
        if property_name in required and one.get("default") is None:
            smallest += len(property_name) + found.min_size + 4
    static = {key: one.type for key, one in fields.items()}
    for keyword in RESERVED.intersection(properties.values()):
        # An expression may name such a field as it is, too.
        static.setdefault(keyword, static[f"__{keyword}__"])
    made = types.object_type(name, static, properties)
    return Declared(made, smallest, 0, None, fields)


def _text(schema: Schema, name: str) -> Declared:
    form = schema.get("format", "")
    known = _FORMATS.get(form)
    if known is not None:
        return known
    if form == "byte":
        stated = schema.get("maxLength")
        return Declared(types.BYTES, 2, max(stated, 0) if stated is not None else MAX_REQUEST - 2)
    return Declared(types.STRING, 2, _longest(schema))


def _longest(schema: Schema) -> int:
    """In bytes; a letter may take four."""
    stated: int | None = schema.get("maxLength")
    if stated is not None:
        return max(stated, 0) * 4
    values = schema.get("enum")
    if values and not schema.get(_INT_OR_STRING):
        return max((len(one.encode()) for one in values if isinstance(one, str)), default=0)
    return MAX_REQUEST - 2


_FORMATS = {
    "duration": Declared(types.DURATION, 3, 32),
    "date": Declared(types.TIMESTAMP, 12, 12),
    "date-time": Declared(types.TIMESTAMP, 21, 32),
}
_DECLARE: dict[str, Callable[[Schema, str], Declared | None]] = {
    "array": _array,
    "object": _object,
    "string": _text,
    "boolean": lambda schema, name: Declared(types.BOOL, 4),
    "number": lambda schema, name: Declared(types.DOUBLE, 1),
    "integer": lambda schema, name: Declared(types.INT, 1),
}

Adapt = Callable[[Any], Any]


def adapter(schema: Schema) -> Adapt | None:
    """Plain JSON → the values that expressions see; None where they are the same."""
    if schema.get(_INT_OR_STRING):
        return None
    make = _ADAPT.get(schema.get("type", ""))
    return make(schema) if make else None


def _array_adapter(schema: Schema) -> Adapt | None:
    inner = adapter(schema.get("items") or {})
    kind = schema.get("x-kubernetes-list-type")
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
    if inner is None and kind not in ("set", "map"):
        return None

    def adapt(value: Any) -> Any:
        if value.__class__ is not list:
            return value
        elements = value if inner is None else [inner(one) for one in value]
        return SetList(elements) if kind == "set" else MapList(elements, keys) if kind == "map" else elements

    return adapt


def _object_adapter(schema: Schema) -> Adapt | None:
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        inner = adapter(values)
        if inner is None:
            return None
        return lambda value: {key: inner(one) for key, one in value.items()} if isinstance(value, dict) else value
    found = {name: adapter(one) for name, one in (schema.get("properties") or {}).items()}
    changing = {name: one for name, one in found.items() if one is not None}
    if not changing:
        return None

    def adapt(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {**value, **{name: one(value[name]) for name, one in changing.items() if name in value}}

    return adapt


def _number(value: Any) -> Any:
    return float(value) if value.__class__ in (int, WholeFraction) else value


def _bytes(value: Any) -> Any:
    try:
        return base64.b64decode(value) if isinstance(value, str) else value
    except binascii.Error:
        return value


def _duration(value: Any) -> Any:
    return _or_same(text.parse_duration, value)


def _date_time(value: Any) -> Any:
    return _or_same(text.parse_timestamp, value)


def _date(value: Any) -> Any:
    try:
        return (
            datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC) if isinstance(value, str) else value
        )
    except ValueError:
        return value


def _or_same(parse: Callable[[str], Any], value: Any) -> Any:
    """What does not parse is refused by the schema's own check of formats."""
    try:
        return parse(value) if isinstance(value, str) else value
    except CelError:
        return value


_TEXT_ADAPTERS = {"byte": _bytes, "duration": _duration, "date": _date, "date-time": _date_time}
_ADAPT: dict[str, Callable[[Schema], Adapt | None]] = {
    "array": _array_adapter,
    "object": _object_adapter,
    "string": lambda schema: _TEXT_ADAPTERS.get(schema.get("format", "")),
    "number": lambda schema: _number,
}
