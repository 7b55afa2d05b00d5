"""OpenAPI schemas of definitions, built from the facts in `api/schema` and the descriptions.

`Schemas` builds a definition when it is first asked for and keeps it. The two versions of OpenAPI differ in where
definitions live and in what may stand beside a reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from importlib.resources import files
from typing import Any

import orjson

from pybernetes.apiserver.openapi.descriptions import describe
from pybernetes.apiserver.openapi.names import FREE_FORM, SCALARS, definition_name
from pybernetes.apiserver.openapi.values import GroupVersion, Values, values_of
from pybernetes.apiserver.published import Gvk, Published

Schema = dict[str, Any]
Facts = Mapping[str, Mapping[str, Any]]


class Dialect(Enum):
    """The version of OpenAPI; its value begins every reference."""

    V2 = "#/definitions/"
    V3 = "#/components/schemas/"


_PLAIN: dict[str, Schema] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int32": {"type": "integer", "format": "int32"},
    "int64": {"type": "integer", "format": "int64"},
    "double": {"type": "number", "format": "double"},
    "bytes": {"type": "string", "format": "byte"},
    "any": {"type": "object"},
}

_SCALAR_DEFINITIONS: dict[str, Schema] = {
    SCALARS["time"]: {"type": "string", "format": "date-time", "description": "A time, in the format of RFC 3339."},
    SCALARS["microtime"]: {"type": "string", "format": "date-time", "description": "A time with microseconds."},
    SCALARS["quantity"]: {"type": "string", "description": "A fixed-point number with an optional unit suffix."},
    SCALARS["intstr"]: {"type": "string", "format": "int-or-string", "description": "A number, or a text."},
    FREE_FORM["fields"]: {"type": "object", "description": "A set of fields, in the format that FieldsType names."},
    FREE_FORM["patch"]: {"type": "object", "description": "What shall be other than it is."},
    FREE_FORM["raw"]: {"type": "object", "description": "An object of any kind."},
    FREE_FORM["json"]: {"description": "Any JSON value."},
    FREE_FORM["schema|[]schema"]: {"description": "A schema, or a list of schemas."},
    FREE_FORM["schema|bool"]: {"description": "A schema, or a truth value."},
    FREE_FORM["schema|[]string"]: {"description": "A schema, or a list of names."},
}
_SCALARS_V3: dict[str, Schema] = {
    SCALARS["quantity"]: {
        "oneOf": [{"type": "string"}, {"type": "number"}],
        "description": "A fixed-point number with an optional unit suffix.",
    },
    SCALARS["intstr"]: {
        "oneOf": [{"type": "integer"}, {"type": "string"}],
        "format": "int-or-string",
        "description": "A number, or a text.",
    },
}

_EXTENSIONS = (
    ("list", "x-kubernetes-list-type"),
    ("keys", "x-kubernetes-list-map-keys"),
    ("map", "x-kubernetes-map-type"),
    ("merge_key", "x-kubernetes-patch-merge-key"),
    ("strategy", "x-kubernetes-patch-strategy"),
)


@cache
def facts_of(module: str) -> Facts:
    """The facts of one group and version (`core_v1`); empty if there are none."""
    path = files("pybernetes.api").joinpath("schema", f"{module}.json")
    if not path.is_file():
        return {}
    facts: Facts = orjson.loads(path.read_bytes())
    return facts


@cache
def type_of_kind(group: str, version: str, kind: str) -> str | None:
    """The name in the facts (`apps_v1.Deployment`) of a kind."""
    module = f"{group.split('.')[0] or 'core'}_{version}"
    for candidate in dict.fromkeys((module, f"{_PACKAGE_OF_GROUP.get(group, '')}_{version}", "meta_v1")):
        fact = facts_of(candidate).get(kind)
        if fact is not None and [group, version, kind] in fact.get("kinds", ()):
            return f"{candidate}.{kind}"
    return None


_PACKAGE_OF_GROUP = {
    "rbac.authorization.k8s.io": "rbac",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
}


_KNOWN_TO_ALL = frozenset({"meta_v1.DeleteOptions", "meta_v1.WatchEvent"})
"""Types that every group and version knows."""


class Schemas:
    """``versions`` are the groups and versions that the document is about."""

    def __init__(self, dialect: Dialect, versions: Iterable[GroupVersion] = ()) -> None:
        self._dialect = dialect
        self._versions = sorted({("", "v1"), *versions})
        self._built: dict[str, Schema] = {}
        self._references: dict[str, tuple[str, ...]] = {}
        self._published: dict[str, Schema] = {}
        self._names: dict[Gvk, str] = {}

    def publish(self, published: Published) -> None:
        """Takes in the definitions of a kind that has no facts."""
        for kind, name, schema in published.definitions(self._dialect):
            self._names[kind] = name
            self._published[name] = schema

    def of_kind(self, group: str, version: str, kind: str) -> Schema | None:
        """A reference to the definition of a kind."""
        name = self._names.get((group, version, kind))
        if name is not None:
            return {"$ref": self._dialect.value + name}
        type_name = type_of_kind(group, version, kind)
        return self.reference(type_name) if type_name else None

    def closure(self, types: Iterable[str]) -> dict[str, Schema]:
        """The definitions of the types and of all they refer to, by name in OpenAPI, sorted."""
        pending, found = list(types), dict(self._published)
        if found:
            pending += ("meta_v1.ObjectMeta", "meta_v1.ListMeta")
        while pending:
            type_name = pending.pop()
            name = SCALARS.get(type_name) or definition_name(type_name)
            if name in found:
                continue
            found[name] = self._definition(type_name)
            pending += self._references.get(type_name, ())
        return dict(sorted(found.items()))

    def reference(self, type_name: str) -> Schema:
        return {"$ref": self._dialect.value + (SCALARS.get(type_name) or definition_name(type_name))}

    def _definition(self, type_name: str) -> Schema:
        if type_name in SCALARS:
            name = SCALARS[type_name]
            if self._dialect is Dialect.V3 and name in _SCALARS_V3:
                return _SCALARS_V3[name]
            return _SCALAR_DEFINITIONS[name]
        if type_name not in self._built:
            self._built[type_name] = self._build(type_name)
        return self._built[type_name]

    def _build(self, type_name: str) -> Schema:
        module, _, name = type_name.partition(".")
        fact = facts_of(module)[name]
        described = describe(type_name)
        values = values_of(type_name)
        references: list[str] = []
        schema: Schema = {"description": described.text} if described.text else {}
        schema["type"] = "object"
        required = [field for field, facts in fact["fields"].items() if facts.get("required")]
        if required:
            schema["required"] = required
        properties = {
            field: self._field(field, facts, values, described.fields.get(field, ""), references)
            for field, facts in fact["fields"].items()
        }
        if properties:
            schema["properties"] = properties
        if type_name in _KNOWN_TO_ALL:
            schema["x-kubernetes-group-version-kind"] = [
                {"group": group, "version": version, "kind": name} for group, version in self._versions
            ]
        elif "kinds" in fact:
            schema["x-kubernetes-group-version-kind"] = [
                {"group": group, "version": version, "kind": kind} for group, version, kind in fact["kinds"]
            ]
        if "map" in fact:
            schema["x-kubernetes-map-type"] = fact["map"]
        if values.unions:
            schema["x-kubernetes-unions"] = values.unions
        self._references[type_name] = tuple(dict.fromkeys(references))
        return schema

    def _field(
        self, name: str, facts: Mapping[str, Any], values: Values, description: str, references: list[str]
    ) -> Schema:
        free = values.free.get(name)
        schema = self._typed(facts["type"].replace("any", free) if free else facts["type"], references)
        beside = self._beside(name, facts, values, description)
        if beside and "$ref" in schema and self._dialect is Dialect.V3:
            schema = {"allOf": [schema]}
        enum = values.enums.get(name)
        if enum:
            (schema.get("items") or schema.get("additionalProperties") or schema)["enum"] = enum
        return schema | beside

    def _beside(self, name: str, facts: Mapping[str, Any], values: Values, description: str) -> Schema:
        """What is said of a field besides its type and the values that it takes."""
        found: Schema = {}
        enum = values.enums.get(name)
        if enum and facts["type"] == "string":
            gap = "\n\n\n" if name in values.apart else "\n\n"
            description += f"{gap}Possible enum values:\n" + "\n".join(f' - `"{one}"`' for one in enum)
        if description:
            found["description"] = description
        if name in values.defaults and self._dialect is Dialect.V3:
            found["default"] = values.defaults[name]
        return found | {extension: facts[fact] for fact, extension in _EXTENSIONS if fact in facts}

    def _typed(self, type_name: str, references: list[str]) -> Schema:
        if type_name.startswith("[]"):
            return {"type": "array", "items": self._typed(type_name[2:], references)}
        if type_name.startswith("{}"):
            return {"type": "object", "additionalProperties": self._typed(type_name[2:], references)}
        if type_name in _PLAIN:
            return dict(_PLAIN[type_name])
        references.append(type_name)
        name = SCALARS.get(type_name) or definition_name(type_name)
        return {"$ref": self._dialect.value + name}
