"""Structural schemas: every field's type is said once, outside of anyOf, oneOf, allOf and not.

Follows pkg/apiserver/schema/validation.go, complete.go and convert.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any

from pybernetes.api.fields import FieldError, FieldPath, at, forbidden, invalid, required
from pybernetes.apiserver.custom.definition import schema_of
from pybernetes.apiserver.custom.patterns import PatternError, matcher
from pybernetes.apiserver.resource import Document

Schema = Mapping[str, Any]

PRESERVES = "x-kubernetes-preserve-unknown-fields"
EMBEDS = "x-kubernetes-embedded-resource"
INT_OR_STRING = "x-kubernetes-int-or-string"
_INT_OR_STRING_ANY_OF = [{"type": "integer"}, {"type": "string"}]
JUNCTORS = ("anyOf", "allOf", "oneOf")


class Level(Enum):
    """Where a schema stands; how a missing type reads there."""

    ROOT = "must not be empty at the root"
    ITEM = "must not be empty for specified array items"
    FIELD = "must not be empty for specified object fields"


def structural_problems(spec: Document) -> list[FieldError]:
    """Of all schemas in a definition's spec."""
    found: list[FieldError] = []
    if spec.get("preserveUnknownFields"):
        found.append(invalid(at.spec.preserveUnknownFields, True, "must be false"))
    for index, version in enumerate(spec.get("versions") or ()):
        schema = schema_of(version)
        if schema is not None and unsupported(schema) is None:
            found += check_structural(schema, at.spec.versions[index].schema.openAPIV3Schema)
    return found


_UNSUPPORTED = {
    "id": "id",
    "$schema": "schema",
    "$ref": "$ref",
    "patternProperties": "patternProperties",
    "dependencies": "dependencies",
    "additionalItems": "additionalItems",
    "definitions": "definitions",
}


def unsupported(schema: Schema) -> str | None:
    """Why a schema cannot even be looked at as a structural one."""
    for key, name in _UNSUPPORTED.items():
        if schema.get(key) not in (None, "", {}):
            return f"OpenAPIV3Schema '{name}' is not supported"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    if schema.get(PRESERVES) is False:
        return f"internal error: '{PRESERVES}' must be true or undefined"
    return next((why for one in children(schema) if (why := unsupported(one)) is not None), None)


def children(schema: Schema) -> Iterator[Schema]:
    """The schemas right below one."""
    yield from (one for key in JUNCTORS for one in schema.get(key) or ())
    yield from (one for key in ("properties", "patternProperties", "definitions") for one in _values(schema.get(key)))
    yield from (one for one in _values(schema.get("dependencies")) if isinstance(one, Mapping))
    for key in ("not", "items", "additionalProperties", "additionalItems"):
        found = schema.get(key)
        if isinstance(found, Mapping):
            yield found
        elif isinstance(found, list):
            yield from found


def _values(schemas: Any) -> Iterator[Any]:
    return iter(schemas.values() if isinstance(schemas, Mapping) else ())


def check_structural(schema: Schema, path: FieldPath) -> list[FieldError]:
    found = [*_invariants(schema, Level.ROOT, path), *_complete(schema, schema, path, path)]
    return sorted(found, key=str)


def _invariants(schema: Schema, level: Level, path: FieldPath) -> Iterator[FieldError]:
    items = schema.get("items")
    if items is None and schema.get("type") == "array":
        yield required(path.items, "must be specified")
    if items is not None:
        yield from _invariants(items, Level.ITEM, path.items)
    properties: Schema = schema.get("properties") or {}
    for name, one in properties.items():
        yield from _invariants(one, Level.FIELD, path.properties[name])
    others = schema.get("additionalProperties")
    if others is not None:
        if level is Level.ROOT:
            yield forbidden(path.additionalProperties, "must not be used at the root")
        if isinstance(others, Mapping):
            yield from _invariants(others, Level.FIELD, path.additionalProperties)
    yield from _extensions(schema, path)
    any_of, all_of = schema.get("anyOf"), list(schema.get("allOf") or ())
    yield from _values_of(
        schema,
        path,
        skip_any=any_of == _INT_OR_STRING_ANY_OF,
        skip_first=bool(all_of) and all_of[0].get("anyOf") == _INT_OR_STRING_ANY_OF,
    )
    yield from _types(schema, level, path)
    yield from _identity(schema, level, path)


def _extensions(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    if schema.get(INT_OR_STRING):
        for name in (PRESERVES, EMBEDS):
            if schema.get(name):
                yield invalid(path.child(name), True, f"must be false if {INT_OR_STRING} is true")


def _types(schema: Schema, level: Level, path: FieldPath) -> Iterator[FieldError]:
    type_, embeds = schema.get("type", ""), schema.get(EMBEDS)
    if embeds and type_ != "object":
        why = f"must be object if {EMBEDS} is true"
        yield invalid(path.type, type_, why) if type_ else required(path.type, why)
    elif not type_ and not schema.get(INT_OR_STRING) and not schema.get(PRESERVES):
        yield required(path.type, level.value)
    if embeds and schema.get("additionalProperties") is not None:
        yield forbidden(path.additionalProperties, f"must not be used if {EMBEDS} is set")
    if level is Level.ROOT and type_ not in ("", "object"):
        yield invalid(path.type, type_, "must be object at the root")


def _identity(schema: Schema, level: Level, path: FieldPath) -> Iterator[FieldError]:
    """apiVersion, kind and metadata, where a schema of a resource speaks of them."""
    properties: Schema = schema.get("properties") or {}
    embeds = schema.get(EMBEDS)
    if level is Level.ROOT or embeds:
        for name in ("kind", "apiVersion"):
            if name in properties and properties[name].get("type", "") != "string":
                yield invalid(path.properties[name].type, properties[name].get("type", ""), "must be string")
    metadata = properties.get("metadata")
    if metadata is not None:
        if (level is Level.ROOT or embeds) and metadata.get("type", "") != "object":
            yield invalid(path.properties["metadata"].type, metadata.get("type", ""), "must be object")
        if level is Level.ROOT and not _restricts_names_only(metadata):
            yield forbidden(
                path.properties["metadata"],
                "must not specify anything other than name and generateName, but metadata is implicitly specified",
            )
    if embeds and not schema.get(PRESERVES) and not properties:
        yield required(path.properties, f"must not be empty if {EMBEDS} is true without {PRESERVES}")


def _restricts_names_only(metadata: Schema) -> bool:
    rest = {key: value for key, value in metadata.items() if key not in ("type", "default")}
    if set(rest.get("properties") or ()) <= {"name", "generateName"}:
        rest.pop("properties", None)
    return not rest


def _values_of(schema: Schema, path: FieldPath, *, skip_any: bool, skip_first: bool) -> Iterator[FieldError]:
    for key in JUNCTORS:
        for index, one in enumerate(schema.get(key) or ()):
            if key == "anyOf" and skip_any:
                continue
            first = key == "allOf" and not index and skip_first
            yield from _nested(one, path.child(key)[index], skip_any=first)
    if schema.get("not") is not None:
        yield from _nested(schema["not"], path.child("not"))
    pattern = schema.get("pattern")
    if pattern:
        try:
            matcher(pattern)
        except PatternError as error:
            yield invalid(path.pattern, pattern, f"must be a valid regular expression, but isn't: {error}")


_MUST_BE: tuple[tuple[str, str], ...] = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (PRESERVES, "must be false to be structural"),
    (EMBEDS, "must be false to be structural"),
    (INT_OR_STRING, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)
_UNDEFINED = ("additionalProperties", "default", "x-kubernetes-list-type", "x-kubernetes-map-type")


def _nested(schema: Schema, path: FieldPath, *, skip_any: bool = False) -> Iterator[FieldError]:
    """A schema inside of anyOf, allOf, oneOf or not: it may demand things of values, and no more."""
    yield from _values_of(schema, path, skip_any=skip_any, skip_first=False)
    if schema.get("items") is not None:
        yield from _nested(schema["items"], path.items)
    properties: Schema = schema.get("properties") or {}
    for name, one in properties.items():
        yield from _nested(one, path.properties[name])
    for key, must in _MUST_BE:
        stated = schema.get(key)
        if stated if key not in _UNDEFINED else stated is not None and stated is not False:
            yield forbidden(path.child(key), must)
    if "metadata" in properties:
        yield forbidden(path.properties["metadata"], "must not be specified in a nested context")


def _complete(values: Schema, schema: Schema | None, schema_path: FieldPath, path: FieldPath) -> Iterator[FieldError]:
    """Whatever a nested schema speaks of is there in the structure itself."""
    nested: list[tuple[Schema, FieldPath]] = []
    if values.get("not") is not None:
        nested.append((values["not"], path.child("not")))
    for key in ("allOf", "anyOf", "oneOf"):
        nested += [(one, path.child(key)[index]) for index, one in enumerate(values.get(key) or ())]
    for one, where in nested:
        yield from _nested_complete(one, schema, schema_path, where)


def _nested_complete(
    values: Schema, schema: Schema | None, schema_path: FieldPath, path: FieldPath
) -> Iterator[FieldError]:
    if schema is None:
        yield required(schema_path, f"because it is defined in {path}")
        return
    yield from _complete(values, schema, schema_path, path)
    if values.get("items") is not None:
        yield from _nested_complete(values["items"], schema.get("items"), schema_path.items, path.items)
    declared: Schema = schema.get("properties") or {}
    for name, one in (values.get("properties") or {}).items():
        where = path.properties[name]
        yield from _nested_complete(one, declared.get(name), schema_path.properties[name], where)
