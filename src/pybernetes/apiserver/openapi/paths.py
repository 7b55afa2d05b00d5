"""OpenAPI paths of served resources: every verb of every resource and subresource, with the parameters it takes.

What clients rely on is exact: the group, version and kind of each operation, the verbs, `fieldValidation` on writes and
the media types of patches. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.apiserver.discovery.served import Kind, ServedResource, ServedVersion
from pybernetes.apiserver.openapi.schemas import Dialect, Schemas

Document = dict[str, Any]

PATCH_TYPES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
CUSTOM_PATCH_TYPES = PATCH_TYPES[:-1]
"""Without merge keys there is no strategic merge; kubectl looks here before it sends one."""
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class _Operation:
    """One HTTP method of a path: its verb as upstream names it, and what it takes."""

    method: str
    action: str
    name: str
    parameters: tuple[str, ...] = ()
    takes_body: bool = False


_PRETTY = ("pretty",)
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")

_COLLECTION = (
    ("list", _Operation("get", "list", "list", _PRETTY + _LIST)),
    ("create", _Operation("post", "post", "create", _PRETTY + _WRITE, takes_body=True)),
    ("deletecollection", _Operation("delete", "deletecollection", "deleteCollection", _PRETTY + _LIST + _DELETE)),
)
_ITEM = (
    ("get", _Operation("get", "get", "read", _PRETTY)),
    ("update", _Operation("put", "put", "replace", _PRETTY + _WRITE, takes_body=True)),
    ("patch", _Operation("patch", "patch", "patch", _PRETTY + _WRITE + ("force",), takes_body=True)),
    ("delete", _Operation("delete", "delete", "delete", _PRETTY + _DELETE)),
)
_CONNECT = _Operation("post", "connect", "create", _PRETTY + _WRITE, takes_body=True)
_SUBRESOURCE = (*_ITEM[:3], ("create", _CONNECT), _ITEM[3])

_INTEGERS = frozenset({"limit", "timeoutSeconds", "gracePeriodSeconds"})
_BOOLEANS = frozenset(
    {
        "watch",
        "allowWatchBookmarks",
        "sendInitialEvents",
        "orphanDependents",
        "force",
    }
)
_DESCRIPTIONS = {
    "pretty": "If 'true', then the output is pretty printed.",
    "dryRun": "When present, says that the change shall not be kept. The only value is All.",
    "fieldManager": "The name of who makes the change.",
    "fieldValidation": "What is done about unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
    "force": "Take over fields that another manager owns (apply patches only).",
    "labelSelector": "Restricts the answer to objects with these labels.",
    "fieldSelector": "Restricts the answer to objects with these field values.",
    "limit": "The most objects that one answer may hold.",
    "continue": "Where the answer goes on, as the one before it said.",
    "watch": "Ask for the changes instead of the list.",
}


@dataclass(frozen=True, slots=True)
class Paths:
    dialect: Dialect
    schemas: Schemas

    def of_version(self, version: ServedVersion) -> dict[str, Document]:
        found: dict[str, Document] = {}
        for resource in version.resources:
            found |= self._of_resource(version, resource)
        return dict(sorted(found.items()))

    def _of_resource(self, version: ServedVersion, resource: ServedResource) -> dict[str, Document]:
        place = "/namespaces/{namespace}" if resource.namespaced else ""
        collection = f"{version.path}{place}/{resource.plural}"
        scope = "Namespaced" if resource.namespaced else ""
        found = {
            collection: self._item(version, resource, resource.kind, resource.verbs, _COLLECTION, scope, collection),
            f"{collection}/{{name}}": self._item(
                version, resource, resource.kind, resource.verbs, _ITEM, scope, f"{collection}/{{name}}"
            ),
        }
        if resource.namespaced and "list" in resource.verbs:
            everywhere = f"{version.path}/{resource.plural}"
            found[everywhere] = self._item(
                version, resource, resource.kind, ("list",), _COLLECTION, "", everywhere, suffix="ForAllNamespaces"
            )
        for one in resource.subresources:
            path = f"{collection}/{{name}}/{one.name}"
            suffix = one.name[:1].upper() + one.name[1:]
            found[path] = self._item(version, resource, one.kind, one.verbs, _SUBRESOURCE, scope, path, suffix=suffix)
        return {path: item for path, item in found.items() if any(key != "parameters" for key in item)}

    def _item(
        self,
        version: ServedVersion,
        resource: ServedResource,
        kind: Kind,
        verbs: Sequence[str],
        table: Sequence[tuple[str, _Operation]],
        scope: str,
        path: str,
        *,
        suffix: str = "",
    ) -> Document:
        item: Document = {}
        for verb, operation in table:
            if verb in verbs:
                listed = verb in ("list", "deletecollection")
                operation_id = (
                    f"{operation.name}{_group_words(version)}{scope}"
                    f"{'Collection' if verb == 'deletecollection' else ''}{resource.kind.kind}{suffix}"
                )
                patches = PATCH_TYPES if resource.published is None else CUSTOM_PATCH_TYPES
                item[operation.method] = self._operation(
                    version, operation, kind, operation_id, patches, list_of=listed
                )
        parameters = [name for name in ("name", "namespace") if f"{{{name}}}" in path]
        if parameters:
            item["parameters"] = [self._path_parameter(name) for name in parameters]
        return item

    def _operation(
        self,
        version: ServedVersion,
        operation: _Operation,
        kind: Kind,
        operation_id: str,
        patches: Sequence[str],
        *,
        list_of: bool,
    ) -> Document:
        answer_kind = "Status" if operation.method == "delete" else f"{kind.kind}List" if list_of else kind.kind
        document: Document = {
            "tags": [_tag(version)],
            "operationId": operation_id,
            "parameters": [self._query_parameter(name) for name in operation.parameters],
            "responses": {"200": self._content("OK", self._schema(kind.group, kind.version, answer_kind))},
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        }
        if operation.takes_body:
            types = patches if operation.method == "patch" else ("*/*",)
            schema = self._schema(kind.group, kind.version, kind.kind)
            if operation.method == "patch":
                schema = {"type": "object"}
            if self.dialect is Dialect.V3:
                document["requestBody"] = {"required": True, "content": {one: {"schema": schema} for one in types}}
            else:
                document["consumes"] = list(types)
                document["parameters"].append({"name": "body", "in": "body", "required": True, "schema": schema})
        if self.dialect is Dialect.V2:
            document["produces"] = [_JSON]
            document["schemes"] = ["https"]
        return document

    def _schema(self, group: str, version: str, kind: str) -> Document:
        if kind == "Status":
            return self.schemas.reference("meta_v1.Status")
        return self.schemas.of_kind(group, version, kind) or {"type": "object"}

    def _content(self, description: str, schema: Document) -> Document:
        if self.dialect is Dialect.V3:
            return {"description": description, "content": {_JSON: {"schema": schema}}}
        return {"description": description, "schema": schema}

    def _query_parameter(self, name: str) -> Document:
        kind = "integer" if name in _INTEGERS else "boolean" if name in _BOOLEANS else "string"
        parameter: Document = {"name": name, "in": "query"}
        if name in _DESCRIPTIONS:
            parameter["description"] = _DESCRIPTIONS[name]
        if self.dialect is Dialect.V3:
            return parameter | {"schema": {"type": kind, "uniqueItems": True}}
        return parameter | {"type": kind, "uniqueItems": True}

    def _path_parameter(self, name: str) -> Document:
        parameter: Document = {"name": name, "in": "path", "required": True}
        if self.dialect is Dialect.V3:
            return parameter | {"schema": {"type": "string", "uniqueItems": True}}
        return parameter | {"type": "string", "uniqueItems": True}


def _group_words(version: ServedVersion) -> str:
    """`CoreV1`, `AppsV1`, `RbacAuthorizationV1`."""
    group = version.group.removesuffix(".k8s.io") or "core"
    return "".join(part[:1].upper() + part[1:] for part in (*group.split("."), version.version))


def _tag(version: ServedVersion) -> str:
    group = version.group.removesuffix(".k8s.io") or "core"
    words = group.split(".")
    return words[0] + "".join(word.capitalize() for word in words[1:]) + "_" + version.version
