"""Defaults in the schema of a definition: each must be what its own schema allows.

Follows pkg/apiserver/schema/defaulting/validation.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pybernetes.api.fields import FieldError, FieldPath, aggregate, invalid
from pybernetes.api.schema import DecodeError
from pybernetes.api.schema.structural import StructuralShape
from pybernetes.apiserver.cel import schema_rules
from pybernetes.apiserver.custom.embedded import check_resource, compile_embedded
from pybernetes.apiserver.custom.places import UNCORRELATED
from pybernetes.apiserver.custom.values import compile_values

Schema = Mapping[str, Any]
Surround = Callable[[Any], Any]
"""From a value to the object that has it, and nothing else, at the place in question."""

_IDENTITY = frozenset(("metadata", "apiVersion", "kind"))
_EMBEDS = "x-kubernetes-embedded-resource"


def check_defaults(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    """Of the whole schema of a version."""
    yield from _check({**schema, _EMBEDS: True}, path, _object, in_identity=False)


def _object(value: Any) -> Any:
    return {"apiVersion": "validation/v1", "kind": "Validation", **value}


def _check(schema: Schema, path: FieldPath, surround: Surround, *, in_identity: bool) -> Iterator[FieldError]:
    if schema.get(_EMBEDS):
        in_identity, surround = False, _object
    if schema.get("default") is not None:
        check = _check_in_identity if in_identity else _check_value
        yield from check(schema, path.default, surround)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _check(items, path.items, lambda value: surround([value]), in_identity=in_identity)
    for name, one in (schema.get("properties") or {}).items():
        yield from _check(
            one,
            path.properties[name],
            _surrounded(name, surround),
            in_identity=in_identity or (bool(schema.get(_EMBEDS)) and name in _IDENTITY),
        )


def _surrounded(name: str, surround: Surround) -> Surround:
    return lambda value: surround({name: value})


def _check_in_identity(schema: Schema, path: FieldPath, surround: Surround) -> Iterator[FieldError]:
    value = schema["default"]
    try:
        resource = StructuralShape(("", "", ""), None).read(surround(value)).document
        problems = list(check_resource(resource, FieldPath()))
        why = aggregate(problems) if problems else ""
    except DecodeError as error:
        why = str(error)
    if why:
        yield invalid(path, value, f"must result in valid metadata: {why}")
    else:
        yield from _check_demands(schema, path)


def _check_value(schema: Schema, path: FieldPath, surround: Surround) -> Iterator[FieldError]:
    value = schema["default"]
    try:
        pruned = StructuralShape(("", "", ""), {"type": "object", "properties": {"value": schema}}).read(
            {"value": value}
        )
    except DecodeError as error:
        yield invalid(path, value, str(error))
        return
    if pruned.unknown:
        yield invalid(path, value, "must not have unknown fields")
    embedded = compile_embedded(schema)
    problems = list(embedded(value, path)) if embedded is not None else []
    if problems:
        yield from problems
    else:
        yield from _check_demands(schema, path)


def _check_demands(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    value = schema["default"]
    problems = list(compile_values(schema, str(path))(value, UNCORRELATED))
    yield from problems
    if not problems and schema_rules.has_rules(schema):
        yield from schema_rules.SchemaRules(schema).validate(value, None, path)
