"""The types that expressions see in the objects of a served kind, from what OpenAPI says of it.

Follows k8s.io/apiserver/pkg/cel/openapi/resolver.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pybernetes.apiserver.cel.schema_types import declared
from pybernetes.apiserver.openapi.schemas import Dialect, Schemas, type_of_kind
from pybernetes.apiserver.resource import Resource
from pybernetes.cel.types import Type

Schema = Mapping[str, Any]
_PLACEHOLDER: Schema = {"type": "object"}
_INT_OR_STRING = {"x-kubernetes-int-or-string": True}


def object_type_of(resource: Resource) -> Type | None:
    """None where the schema tells nothing."""
    schema = _schema_of(resource)
    if schema is None:
        return None
    metadata = (schema.get("properties") or {}).get("metadata") or {}
    found = declared(schema, resource.info.kind, root="name" not in (metadata.get("properties") or {}))
    return found.type if found else None


def _schema_of(resource: Resource) -> Schema | None:
    """With every reference replaced by what it refers to; one that comes back to itself by an object of anything."""
    info = resource.info
    dialect = Dialect.V2 if resource.custom is None else Dialect.V3
    schemas = Schemas(dialect)
    if resource.custom is not None:
        schemas.publish(resource.custom.published)
    reference = schemas.of_kind(info.group, info.version, info.kind)
    if reference is None:
        return None
    known = type_of_kind(info.group, info.version, info.kind)
    definitions = schemas.closure([known] if known else [])
    return _resolved(reference, {dialect.value + name: schema for name, schema in definitions.items()}, frozenset())


def _resolved(schema: Schema, definitions: Mapping[str, Schema], within: frozenset[str]) -> Schema:
    reference = _reference(schema)
    if reference:
        if reference in within:
            return _PLACEHOLDER
        return _resolved(definitions[reference], definitions, within | {reference})
    if schema.get("format") == "int-or-string":
        return _INT_OR_STRING
    found = dict(schema)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            found[name] = _resolved(schema[name], definitions, within)
    if schema.get("properties"):
        found["properties"] = {name: _resolved(one, definitions, within) for name, one in schema["properties"].items()}
    return found


def _reference(schema: Schema) -> str:
    """OpenAPI v3 wraps one in `allOf` to give it a description."""
    wrapped = schema.get("allOf") or ()
    return str(schema.get("$ref") or (_reference(wrapped[0]) if wrapped else ""))
