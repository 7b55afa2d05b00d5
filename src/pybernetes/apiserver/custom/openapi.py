"""What OpenAPI says of a custom kind: its definition and that of its list, in both versions of OpenAPI.

Follows pkg/controller/openapi/builder and pkg/controller/openapi/v2 of apiextensions-apiserver. OpenAPI v2 cannot say
everything: what is nullable or keeps unknown fields is left open there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.api.fields import FieldPath
from pybernetes.apiserver.custom.structure import EMBEDS, INT_OR_STRING, PRESERVES, check_structural, unsupported
from pybernetes.apiserver.openapi.names import definition_name
from pybernetes.apiserver.openapi.schemas import Dialect
from pybernetes.apiserver.published import Gvk, Schema

_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_API_VERSION = (
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized "
    "schemas to the latest internal value, and may reject unrecognized values. More info: "
    f"{_CONVENTIONS}#resources"
)
_KIND = (
    "Kind is a string value representing the REST resource this object represents. Servers may infer this from the "
    "endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: "
    f"{_CONVENTIONS}#types-kinds"
)
_METADATA = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
_LIST_METADATA = f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds"
_EMBEDDED_API_VERSION = (
    f"apiVersion defines the versioned schema of this representation of an object. More info: {_CONVENTIONS}#resources"
)
_EMBEDDED_KIND = (
    f"kind is a string value representing the type of this object. In CamelCase. More info: {_CONVENTIONS}#types-kinds"
)
_JUNCTORS = ("allOf", "oneOf", "anyOf", "not")
_BELOW = ("items", "additionalProperties")


@dataclass(frozen=True, slots=True)
class CustomDefinitions:
    """Serves as ``Published``. ``identity`` tells one state of a definition from another."""

    identity: str
    info: Gvk
    list_kind: str
    plural: str
    schema: Mapping[str, Any] | None
    selectable: tuple[str, ...]

    def __repr__(self) -> str:
        return f"CustomDefinitions({self.identity!r})"

    def definitions(self, dialect: Dialect) -> Iterator[tuple[Gvk, str, Schema]]:
        """Kind, name of the definition, and the definition."""
        group, version, _ = self.info
        name = model_name(self.info)
        yield self.info, name, self._definition(dialect)
        of_list = (group, version, self.list_kind)
        yield of_list, model_name(of_list), self._list(dialect, name, of_list)

    def _definition(self, dialect: Dialect) -> Schema:
        made = self._body(dialect)
        made["x-kubernetes-group-version-kind"] = [_gvk(self.info)]
        return self._with_selectable(made)

    def _body(self, dialect: Dialect) -> Schema:
        schema = self.schema
        if schema is None or unsupported(schema) is not None or check_structural(schema, _NOWHERE):
            return {"type": "object"}
        if dialect is Dialect.V2:
            if schema.get(PRESERVES):
                return {"type": "object"}
            made = _v2(schema)
        else:
            made = _v3(schema)
        properties = _with_embedded(made, dialect).setdefault("properties", {})
        properties["metadata"] = _reference("meta_v1.ObjectMeta", _METADATA, dialect)
        properties["apiVersion"] = {"description": _API_VERSION, "type": "string"}
        properties["kind"] = {"description": _KIND, "type": "string"}
        return made

    def _list(self, dialect: Dialect, item: str, of_list: Gvk) -> Schema:
        made: Schema = {
            "description": f"{self.list_kind} is a list of {self.info[2]}",
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"description": _API_VERSION, "type": "string"},
                "items": {
                    "description": f"List of {self.plural}. More info: {_CONVENTIONS}",
                    "type": "array",
                    "items": {"$ref": dialect.value + item},
                },
                "kind": {"description": _KIND, "type": "string"},
                "metadata": _reference("meta_v1.ListMeta", _LIST_METADATA, dialect),
            },
            "x-kubernetes-group-version-kind": [_gvk(of_list)],
        }
        return self._with_selectable(made)

    def _with_selectable(self, made: Schema) -> Schema:
        if self.selectable:
            made["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in self.selectable]
        return made


_NOWHERE = FieldPath()


def model_name(kind: Gvk) -> str:
    """`com.example.v1.Widget`"""
    group, version, name = kind
    return ".".join((*reversed(group.split(".")), version, name))


def _gvk(kind: Gvk) -> Schema:
    group, version, name = kind
    return {"group": group, "version": version, "kind": name}


def _reference(type_name: str, description: str, dialect: Dialect) -> Schema:
    target = {"$ref": dialect.value + definition_name(type_name)}
    return {"description": description, **({"allOf": [target]} if dialect is Dialect.V3 else target)}


def _walked(schema: Mapping[str, Any], change: Callable[[Mapping[str, Any]], Schema]) -> Schema:
    """The schema changed, and then what is below it."""
    made = change(schema)
    if made.get("properties"):
        made["properties"] = {name: _walked(one, change) for name, one in made["properties"].items()}
    for name in _BELOW:
        if isinstance(made.get(name), Mapping):
            made[name] = _walked(made[name], change)
    return made


def _v3(schema: Mapping[str, Any]) -> Schema:
    return _walked(schema, _unfolded)


def _unfolded(schema: Mapping[str, Any]) -> Schema:
    made = dict(schema)
    if not made.get(INT_OR_STRING):
        return made
    either = [{"type": "integer"}, {"type": "string"}]
    all_of = made.get("allOf") or []
    if made.get("anyOf") == either or (all_of and all_of[0].get("anyOf") == either):
        return made
    if made.get("anyOf"):
        made["allOf"] = [{"anyOf": either}, *all_of]
    else:
        made["anyOf"] = either
    return made


def _v2(schema: Mapping[str, Any]) -> Schema:
    return _walked(schema, _reduced)


def _reduced(schema: Mapping[str, Any]) -> Schema:
    made = {name: value for name, value in schema.items() if name not in (*_JUNCTORS, "default")}
    if made.pop("nullable", False) or made.get(PRESERVES):
        for name in ("items", "properties"):
            made.pop(name, None)
        if schema.get("nullable") or made.get("type") == "object":
            made.pop("type", None)
    if made.get("type") == "array" and "items" not in made:
        del made["type"]
    nullable = {name for name, one in (made.get("properties") or {}).items() if one.get("nullable")}
    required = [name for name in made.get("required") or () if name not in nullable]
    others = made.get("additionalProperties")
    if isinstance(others, Mapping) and others.get("nullable"):
        required = []
    made.pop("required", None)
    if required:
        made["required"] = required
    return made


def _with_embedded(schema: Schema, dialect: Dialect) -> Schema:
    for one in (schema.get("properties") or {}).values():
        _with_embedded(one, dialect)
    for name in _BELOW:
        if isinstance(schema.get(name), dict):
            _with_embedded(schema[name], dialect)
    if schema.get(EMBEDS) and not (dialect is Dialect.V2 and schema.get(PRESERVES)):
        properties = schema.setdefault("properties", {})
        properties["apiVersion"] = {"description": _EMBEDDED_API_VERSION, "type": "string"}
        properties["kind"] = {"description": _EMBEDDED_KIND, "type": "string"}
        properties["metadata"] = _reference("meta_v1.ObjectMeta", _METADATA, dialect)
        stated = schema.get("required") or []
        schema["required"] = [*stated, *(name for name in ("kind", "apiVersion") if name not in stated)]
    return schema
