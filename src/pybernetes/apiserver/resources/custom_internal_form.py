"""Parts of a definition as upstream shows them in errors: its internal types, under the names of Go's fields.

Follows pkg/apis/apiextensions/types.go and types_jsonschema.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]

_FIELDS: tuple[tuple[str, str, Any], ...] = (
    ("ID", "id", ""),
    ("Schema", "$schema", ""),
    ("Ref", "$ref", None),
    *((name, name.lower(), "") for name in ("Description", "Type")),
    ("Nullable", "nullable", False),
    *((name, name.lower(), "") for name in ("Format", "Title")),
    ("Default", "default", None),
    ("Maximum", "maximum", None),
    ("ExclusiveMaximum", "exclusiveMaximum", False),
    ("Minimum", "minimum", None),
    ("ExclusiveMinimum", "exclusiveMinimum", False),
    ("MaxLength", "maxLength", None),
    ("MinLength", "minLength", None),
    ("Pattern", "pattern", ""),
    ("MaxItems", "maxItems", None),
    ("MinItems", "minItems", None),
    ("UniqueItems", "uniqueItems", False),
    ("MultipleOf", "multipleOf", None),
    ("Enum", "enum", None),
    ("MaxProperties", "maxProperties", None),
    ("MinProperties", "minProperties", None),
    ("Required", "required", None),
    ("Items", "items", None),
    ("AllOf", "allOf", None),
    ("OneOf", "oneOf", None),
    ("AnyOf", "anyOf", None),
    ("Not", "not", None),
    ("Properties", "properties", None),
    ("AdditionalProperties", "additionalProperties", None),
    ("PatternProperties", "patternProperties", None),
    ("Dependencies", "dependencies", None),
    ("AdditionalItems", "additionalItems", None),
    ("Definitions", "definitions", None),
    ("ExternalDocs", "externalDocs", None),
    ("Example", "example", None),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", False),
    ("XIntOrString", "x-kubernetes-int-or-string", False),
    ("XListMapKeys", "x-kubernetes-list-map-keys", None),
    ("XListType", "x-kubernetes-list-type", None),
    ("XMapType", "x-kubernetes-map-type", None),
    ("XValidations", "x-kubernetes-validations", None),
)
_SCHEMAS = frozenset(("AllOf", "OneOf", "AnyOf"))
_NAMED_SCHEMAS = frozenset(("Properties", "PatternProperties", "Definitions"))


def internal_schema(schema: Schema) -> dict[str, Any]:
    return {name: _shown(name, schema.get(field, zero)) for name, field, zero in _FIELDS}


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _SCHEMAS:
        return [internal_schema(one) for one in value]
    if name in _NAMED_SCHEMAS:
        return {key: internal_schema(value[key]) for key in sorted(value)}
    if name == "Not":
        return internal_schema(value)
    if name == "Items":
        if isinstance(value, list):
            return {"Schema": None, "JSONSchemas": [internal_schema(one) for one in value]}
        return {"Schema": internal_schema(value), "JSONSchemas": None}
    if name in ("AdditionalProperties", "AdditionalItems"):
        is_schema = isinstance(value, Mapping)
        return {"Allows": is_schema or value, "Schema": internal_schema(value) if is_schema else None}
    if name == "XValidations":
        return [_capitalized(one, _RULE) for one in value]
    return value


_RULE = ("rule", "message", "messageExpression", "reason", "fieldPath", "optionalOldSelf")
_POINTERS = frozenset(("reason", "optionalOldSelf", "labelSelectorPath"))


def _capitalized(value: Schema, fields: Sequence[str]) -> dict[str, Any]:
    return {one[:1].upper() + one[1:]: value.get(one, None if one in _POINTERS else "") for one in fields}


def internal_validation(validation: Schema | None) -> Any:
    schema = (validation or {}).get("openAPIV3Schema")
    return None if validation is None else {"OpenAPIV3Schema": None if schema is None else internal_schema(schema)}


def internal_subresources(subresources: Schema | None) -> Any:
    if subresources is None:
        return None
    scale = subresources.get("scale")
    fields = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
    return {"Status": subresources.get("status"), "Scale": None if scale is None else _capitalized(scale, fields)}


def internal_columns(columns: Sequence[Schema] | None) -> Any:
    return columns and [
        {
            **_capitalized(one, ("name", "type", "format", "description")),
            "Priority": one.get("priority", 0),
            "JSONPath": one.get("jsonPath", ""),
        }
        for one in columns
    ]


def internal_selectable(selectable: Sequence[Schema] | None) -> Any:
    return selectable and [{"JSONPath": one.get("jsonPath", "")} for one in selectable]
