"""The schema of a version of a definition.

Follows ValidateCustomResourceDefinitionOpenAPISchema in pkg/apis/apiextensions/validation of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, not_supported
from pybernetes.apiserver.cel import schema_rules
from pybernetes.apiserver.custom.structure import check_structural, unsupported
from pybernetes.apiserver.resources.custom_default_rules import check_defaults
from pybernetes.apiserver.resources.custom_internal_form import internal_schema
from pybernetes.apiserver.resources.custom_leniency import OPENAPI_TYPES
from pybernetes.apiserver.resources.custom_list_rules import check_firm_keys, check_list, check_map
from pybernetes.apiserver.resources.custom_rule_forms import check_rule_form

Schema = Mapping[str, Any]

_AT_ROOT = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern "
    "MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields "
    "XValidations"
)
_NAMES_AT_ROOT = frozenset(
    {
        *(name[:1].lower() + name[1:] for name in _AT_ROOT.split()),
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)
_IDENTITY = frozenset(("metadata", "kind", "apiVersion"))
_NOT_SUPPORTED = (
    ("id", "id"),
    ("additionalItems", "additionalItems"),
    ("patternProperties", "patternProperties"),
    ("definitions", "definitions"),
    ("dependencies", "dependencies"),
    ("$ref", "$ref"),
)


@dataclass(frozen=True, slots=True)
class Demands:
    """What is asked of a schema; updates ask less where it was so before."""

    structural: bool = True
    known_types: bool = True
    atomic_sets: bool = True
    firm_keys: bool = True


@dataclass(frozen=True, slots=True)
class _Where:
    """Where in a resource the schema stands."""

    no_defaults: str = ""
    """Why there may be no default; "" if there may be one."""
    in_identity: bool = False


def check_root(schema: Schema, path: FieldPath, demands: Demands, *, has_status: bool) -> Iterator[FieldError]:
    """``path`` is that of the version's `schema`."""
    at = path.openAPIV3Schema
    found: list[FieldError] = []
    if has_status:
        found += _check_with_status(schema, path)
    if schema.get("nullable"):
        found.append(forbidden(path.child("openAPIV3Schema.nullable"), "nullable cannot be true at the root"))
    why = unsupported(schema) if demands.structural else None
    sound = False
    if demands.structural and why is None:
        problems = check_structural(schema, at) or list(check_defaults(schema, at))
        found += problems
        sound = not problems
    found += _check(schema, at, demands, _Where(), is_root=True)
    if not found and why is not None:
        found.append(invalid(at, "", why))
    if not found and sound:
        found += schema_rules.check(schema, at)
    yield from found


def _check_with_status(schema: Schema, path: FieldPath) -> Iterator[FieldError]:
    """With a status subresource the root may demand only what the status can be judged without."""
    if schema.get("type", "") not in ("", "object"):
        why = 'only "object" is allowed as the type at the root of the schema if the status subresource is enabled'
        yield invalid(path.child("openAPIV3Schema.type"), schema["type"], why)
    elif any(name not in _NAMES_AT_ROOT for name in schema):
        why = f"only [{_AT_ROOT}] fields are allowed at the root of the schema if the status subresource is enabled"
        yield invalid(path.openAPIV3Schema, internal_schema(schema), why)


def _check(
    schema: Schema, path: FieldPath, demands: Demands, where: _Where, *, is_root: bool = False
) -> Iterator[FieldError]:
    yield from _check_standard(schema, path, demands, where)
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(path.uniqueItems, why)
    yield from _check_members(schema, path, demands, where, is_root=is_root)
    for name, below in _nested(schema, path):
        yield from _check(below, name, demands, where)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _check(items, path.items, demands, where)
    for index, one in enumerate(items if isinstance(items, Sequence) else ()):
        yield from _check(one, path.items[index], demands, where)
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(path.child("x-kubernetes-preserve-unknown-fields"), False, "must be true or undefined")
    yield from check_map(schema, path)
    yield from check_list(schema, path, atomic_sets=demands.atomic_sets)
    if demands.firm_keys:
        yield from check_firm_keys(schema, path)
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        yield from check_rule_form(rule, schema, path.child("x-kubernetes-validations")[index])


def _check_standard(schema: Schema, path: FieldPath, demands: Demands, where: _Where) -> Iterator[FieldError]:
    type_ = schema.get("type", "")
    if demands.known_types and type_ and type_ not in OPENAPI_TYPES:
        yield not_supported(path.type, type_, OPENAPI_TYPES)
    if schema.get("default") is not None and where.no_defaults:
        yield forbidden(path.default, f"must not be set {where.no_defaults}")
    for key, name in _NOT_SUPPORTED:
        if schema.get(key) is not None:
            yield forbidden(path.child(key), f"{name} is not supported")
    if type_ == "null":
        yield forbidden(path.type, "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), Sequence):
        yield forbidden(path.items, "items must be a schema object and not an array")
    if where.in_identity and schema.get("x-kubernetes-embedded-resource"):
        yield forbidden(path.child("x-kubernetes-embedded-resource"), "must not be used inside of resource meta")


def _check_members(
    schema: Schema, path: FieldPath, demands: Demands, where: _Where, *, is_root: bool
) -> Iterator[FieldError]:
    properties: Schema = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    if others is not None:
        if properties and others is not True:
            why = "additionalProperties and properties are mutual exclusive"
            yield forbidden(path.additionalProperties, why)
        if isinstance(others, Mapping):
            inside = where
            if where.in_identity:
                inside = replace(where, no_defaults="inside additionalProperties applying to object metadata")
            yield from _check(others, path.additionalProperties, demands, inside)
    is_resource = is_root or bool(schema.get("x-kubernetes-embedded-resource"))
    for name, one in properties.items():
        inside = where
        if is_resource and name in _IDENTITY:
            inside = replace(where, in_identity=True, no_defaults=f"in top-level {name}" if is_root else "")
        yield from _check(one, path.properties[name], demands, inside)


def _nested(schema: Schema, path: FieldPath) -> Iterator[tuple[FieldPath, Schema]]:
    if isinstance(schema.get("not"), Mapping):
        yield path.child("not"), schema["not"]
    for key in ("allOf", "oneOf", "anyOf"):
        for index, one in enumerate(schema.get(key) or ()):
            yield path.child(key)[index], one
    for name, one in (schema.get("definitions") or {}).items():
        yield path.definitions[name], one
    for name, one in (schema.get("dependencies") or {}).items():
        if isinstance(one, Mapping):
            yield path.dependencies[name], one
