"""Shapes made from structural schemas: what objects of a custom kind look like.

The walk over a document prunes what the schema does not know (and says what that was), leaves nulls out that could
never be there, and brings embedded metadata into its form. ``default`` completes a document. Both are compiled once,
the walk only as far as documents have led.

Guarantees  ``read`` leaves its argument alone. Reading what was read changes nothing.
Follows pkg/apiserver/schema/pruning, defaulting and objectmeta of k8s.io/apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from math import isfinite
from typing import Any

from pybernetes.api.digits import WholeFraction
from pybernetes.api.fields import FieldPath, invalid
from pybernetes.api.schema.facts import Definition, definition
from pybernetes.api.schema.scalars import DecodeError, Place, Reader, mismatch, path_of
from pybernetes.api.schema.shape import Reading, Shape

Document = dict[str, Any]
Schema = Mapping[str, Any]
Default = Callable[[Any], None]

_IDENTITY = frozenset(("apiVersion", "kind", "metadata"))
_PRESERVES = "x-kubernetes-preserve-unknown-fields"
_EMBEDS = "x-kubernetes-embedded-resource"


class StructuralShape(Shape):
    """``schema`` is None for a kind that has none: it keeps everything."""

    def __init__(self, kind: tuple[str, str, str], schema: Schema | None) -> None:
        super().__init__(Definition(kind[2], kind, False, {"fields": {}}))
        object.__setattr__(self, "schema", schema)

    schema: Schema | None

    def read(self, document: Document, before: Document | None = None) -> Reading:
        return self._read_by(self._read_root, document)

    def read_applied(self, document: Document) -> Reading:
        if any(_has_null(one) for name, one in document.items() if name not in _IDENTITY):
            return self._read_by(self._read_applied_root, document)
        return self.read(document)

    def _read_by(self, read_root: Reader, document: Document) -> Reading:
        unknown: list[str] = []
        metadata, found_there = _read_metadata(document.get("metadata"), present="metadata" in document)
        kept: Document = {name: document[name] for name in ("apiVersion", "kind") if name in document}
        if metadata is not None:
            kept["metadata"] = metadata
        kept |= read_root({name: one for name, one in document.items() if name not in _IDENTITY}, None, unknown)
        return Reading(kept, [*found_there, *sorted(unknown)])

    def default(self, document: Document) -> None:
        if self._default is not None:
            self._default(document)

    @cached_property
    def _read_root(self) -> Reader:
        if self.schema is None:
            return _keep
        return _map_reader(self.schema, _drops_null)

    @cached_property
    def _read_applied_root(self) -> Reader:
        if self.schema is None:
            return _keep
        return _map_reader(self.schema, _drops_untyped_null)

    @cached_property
    def _default(self) -> Default | None:
        return _defaulter(self.schema) if self.schema is not None else None


_METADATA = "metadata"


def _read_metadata(metadata: Any, *, present: bool) -> tuple[Document | None, list[str]]:
    if not present:
        return None, []
    if metadata is None:
        return {}, []
    if not isinstance(metadata, dict):
        raise mismatch(metadata, None, "v1.ObjectMeta")
    try:
        reading = Shape(definition("meta_v1.ObjectMeta")).read(metadata)
    except DecodeError as error:
        if error.path:
            error.path = (_METADATA, *error.path)
        raise
    document = {name: one for name, one in reading.document.items() if one is not None}
    return document, [f"metadata.{path}" for path in reading.unknown]


def _keep(value: Any, place: Place | None, unknown: list[str]) -> Any:
    """What is kept whatever it is, with its numbers as Go writes them."""
    if value.__class__ is dict:
        return {name: _keep(one, (place, name, ""), unknown) for name, one in value.items()}
    if value.__class__ is list:
        return [_keep(one, (place, index, ""), unknown) for index, one in enumerate(value)]
    return _number(value, place) if value.__class__ is float else value


def _number(value: float, place: Place | None) -> int | float:
    if not isfinite(value):
        wrong = mismatch(value, place, "float64")
        error = DecodeError(f"json: cannot unmarshal number {value} into Go value of type float64")
        error.path, error.value = wrong.path, value
        raise error
    return WholeFraction(value) if value.is_integer() and abs(value) < _BEYOND_INT64 else value


def _forget(value: Any, place: Place | None, unknown: list[str]) -> Any:
    """Of what no schema speaks of, objects lose everything."""
    if value.__class__ is dict:
        unknown += [path_of(place, name) for name in value]
        return {}
    if value.__class__ is list:
        return [_forget(one, (place, index, ""), unknown) for index, one in enumerate(value)]
    return value


_BEYOND_INT64 = 2.0**63
"""From here on numbers are written as fractions are."""


Drops = Callable[[Schema], bool]
"""Whether a null is left out where the schema stands."""


def _reader(schema: Schema | None, drops: Drops) -> Reader:
    if schema is None:
        return _forget
    if schema.get(_PRESERVES) and not any(schema.get(name) for name in ("properties", "items", "additionalProperties")):
        return _embedded_reader if schema.get(_EMBEDS) else _keep
    read_map: Reader | None = None
    read_list: Reader | None = None

    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        nonlocal read_map, read_list
        if value.__class__ is dict:
            if read_map is None:
                read_map = _map_reader(schema, drops)
            return read_map(value, place, unknown)
        if value.__class__ is list:
            if read_list is None:
                read_list = _list_reader(schema, drops)
            return read_list(value, place, unknown)
        return _number(value, place) if value.__class__ is float else value

    return read


def _embedded_reader(value: Any, place: Place | None, unknown: list[str]) -> Any:
    kept = _keep(value, place, unknown)
    return _read_identity(kept, place, unknown) if value.__class__ is dict else kept


def _read_identity(value: Document, place: Place | None, unknown: list[str]) -> Document:
    """With apiVersion, kind and metadata of an embedded resource in their form."""
    kept = dict(value)
    for name in ("apiVersion", "kind"):
        if name in value and not isinstance(value[name], str):
            raise DecodeError(str(invalid(FieldPath(path_of(place, name)), value[name], "must be a string")))
    if _METADATA in value:
        try:
            kept[_METADATA], found = _read_metadata(value[_METADATA], present=True)
        except DecodeError as error:
            where = FieldPath(path_of(place, _METADATA))
            raise DecodeError(str(invalid(where, _in_order(value[_METADATA]), str(error)))) from error
        unknown += [path_of(place, path) for path in found]
    return kept


def _in_order(value: Any) -> Any:
    """With the keys of maps as Go writes them."""
    if isinstance(value, dict):
        return {name: _in_order(value[name]) for name in sorted(value)}
    return [_in_order(one) for one in value] if isinstance(value, list) else value


def _list_reader(schema: Schema, drops: Drops) -> Reader:
    items = schema.get("items")
    if schema.get(_PRESERVES) and items is not None:
        read_item = _reader({**items, _PRESERVES: True}, drops)
    elif schema.get(_PRESERVES):
        return _keep
    else:
        read_item = _reader(items, drops)

    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        return [None if one is None else read_item(one, (place, index, ""), unknown) for index, one in enumerate(value)]

    return read


def _map_reader(schema: Schema, drops: Drops) -> Reader:
    properties = {name: (_reader(one, drops), drops(one)) for name, one in (schema.get("properties") or {}).items()}
    others = schema.get("additionalProperties")
    rest: tuple[Reader, bool] | None = None
    if isinstance(others, Mapping):
        rest = _reader(others, drops), drops(others)
    elif others:
        rest = _forget, False
    preserves, embeds = bool(schema.get(_PRESERVES)), bool(schema.get(_EMBEDS))

    def read(value: Any, place: Place | None, unknown: list[str]) -> Any:
        kept: Document = {}
        for name, one in value.items():
            if embeds and name in _IDENTITY:
                kept[name] = one
                continue
            found = properties.get(name, rest)
            if found is None:
                if preserves:
                    kept[name] = _keep(one, (place, name, ""), unknown)
                else:
                    unknown.append(path_of(place, name))
                continue
            read_one, drops_null = found
            if one is not None:
                kept[name] = read_one(one, (place, name, ""), unknown)
            elif not drops_null:
                kept[name] = None
        return _read_identity(kept, place, unknown) if embeds else kept

    return read


def _drops_null(schema: Schema) -> bool:
    """Nulls that are defaulted stay, to be seen by the defaulting."""
    return not schema.get("nullable") and schema.get("default") is None


def _drops_untyped_null(schema: Schema) -> bool:
    """A null that was applied stays for validation to refuse, where it would."""
    return not schema.get("type") and _drops_null(schema)


def _has_null(value: Any) -> bool:
    if value.__class__ is dict:
        return any(_has_null(one) for one in value.values())
    if value.__class__ is list:
        return any(_has_null(one) for one in value)
    return value is None


def _defaulter(schema: Schema) -> Default | None:
    """None where no default is below."""
    items = schema.get("items")
    element = _defaulter(items) if isinstance(items, Mapping) else None
    item_default = _keep(items.get("default"), None, []) if isinstance(items, Mapping) else None
    declared: Schema = schema.get("properties") or {}
    own = [
        (name, _keep(one["default"], None, []), not one.get("nullable"))
        for name, one in declared.items()
        if one.get("default") is not None
    ]
    below = [(name, complete) for name, one in declared.items() if (complete := _defaulter(one)) is not None]
    others = schema.get("additionalProperties")
    rest = _defaulter(others) if isinstance(others, Mapping) else None
    if not (own or below or element or rest or item_default is not None):
        return None

    def default(value: Any) -> None:
        if value.__class__ is dict:
            for name, made, over_null in own:
                if name not in value or (over_null and value[name] is None):
                    value[name] = deepcopy(made)
            for name, complete in below:
                if name in value:
                    complete(value[name])
            if rest is not None:
                for name, one in value.items():
                    if name not in declared:
                        rest(one)
        elif value.__class__ is list:
            for index, one in enumerate(value):
                if one is None and item_default is not None:
                    value[index] = deepcopy(item_default)
                if element is not None:
                    element(value[index])

    return default
