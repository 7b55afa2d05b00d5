"""Lists that are sets or maps, and maps that are atomic, in the schema of a definition.

Follows ValidateCustomResourceDefinitionOpenAPISchema in pkg/apis/apiextensions/validation of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, not_supported, required

Schema = Mapping[str, Any]

LIST_TYPE = "x-kubernetes-list-type"
MAP_TYPE = "x-kubernetes-map-type"
KEYS = "x-kubernetes-list-map-keys"


def check_map(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    map_type = schema.get(MAP_TYPE)
    if map_type is None:
        return
    yield from _typed(schema, path, "object", MAP_TYPE)
    if map_type not in ("atomic", "granular"):
        yield not_supported(path.child(MAP_TYPE), map_type, ("atomic", "granular"))


def _typed(schema: Schema, path: FieldPath, wanted: str, because: str) -> Iterator[FieldError]:
    type_, why = schema.get("type", ""), f"must be {wanted} if {because} is specified"
    if not type_:
        yield required(path.type, why)
    elif type_ != wanted:
        yield invalid(path.type, type_, why)


def check_list(schema: Schema, path: FieldPath, *, atomic_sets: bool) -> Iterator[FieldError]:
    list_type = schema.get(LIST_TYPE)
    items = schema.get("items")
    if list_type is not None and schema.get("type") != "array":
        yield from _typed(schema, path, "array", LIST_TYPE)
    elif atomic_sets and list_type == "set" and isinstance(items, Mapping):
        yield from _check_set_items(items, path.items)
    if list_type not in (None, "atomic", "set", "map"):
        yield not_supported(path.child(LIST_TYPE), list_type, ("atomic", "set", "map"))
    if schema.get(KEYS):
        why = f"must be map if {KEYS} is non-empty"
        if list_type is None:
            yield required(path.child(LIST_TYPE), why)
        elif list_type != "map":
            yield invalid(path.child(LIST_TYPE), list_type, why)
    if list_type == "map":
        yield from _check_map_list(schema, path)


def _check_set_items(items: Schema, path: FieldPath) -> Iterator[FieldError]:
    why = f"must be atomic as item of a list with {LIST_TYPE}=set"
    list_type = items.get(LIST_TYPE)
    if items.get("type") == "array" and list_type not in (None, "atomic"):
        yield invalid(path.child(LIST_TYPE), list_type, why)
    elif items.get("type") == "object" and items.get(MAP_TYPE) != "atomic":
        yield invalid(path.child(MAP_TYPE), list_type, why)


def _check_map_list(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    keys, items = schema.get(KEYS) or [], schema.get("items")
    if not keys:
        yield required(path.child(KEYS), f"must not be empty if {LIST_TYPE} is map")
    if items is None:
        yield required(path.items, f"must have a schema if {LIST_TYPE} is map")
    elif not isinstance(items, Mapping):
        yield invalid(path.items, items, f"must only have a single schema if {LIST_TYPE} is map")
    elif items.get("type") != "object":
        yield invalid(path.items.type, items.get("type", ""), f"must be object if parent array's {LIST_TYPE} is map")
    else:
        yield from _check_keys(keys, items, path)


def _check_keys(keys: list[str], items: Schema, path: FieldPath) -> Iterator[FieldError]:
    fields: Schema = items.get("properties") or {}
    for index, key in enumerate(keys):
        if key not in fields:
            yield invalid(path.child(KEYS), keys, "entries must all be names of item properties")
        elif fields[key].get("type") in ("array", "object"):
            why = f"must be a scalar type if parent array's {LIST_TYPE} is map"
            yield invalid(path.items.properties[key].type, items["type"], why)
        if key in keys[:index]:
            yield invalid(path.child(KEYS), keys, "must not contain duplicate entries")


def check_firm_keys(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    """Keys are always there, and elements never null."""
    items, list_type = schema.get("items"), schema.get(LIST_TYPE)
    if not isinstance(items, Mapping) or list_type not in ("set", "map"):
        return
    if items.get("nullable"):
        yield forbidden(path.items.nullable, f"cannot be nullable when {LIST_TYPE} is {list_type}")
    fields: Schema = items.get("properties") or {}
    for key in schema.get(KEYS) or () if list_type == "map" else ():
        if key not in fields:
            continue
        where, so = path.items.properties[key], f"this property is in {KEYS}, so it"
        if key not in (items.get("required") or ()) and fields[key].get("default") is None:
            yield required(where.default, f"{so} must have a default or be a required property")
        if fields[key].get("nullable"):
            yield forbidden(where.nullable, f"{so} cannot be nullable")
