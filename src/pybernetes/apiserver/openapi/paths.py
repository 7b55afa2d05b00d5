"""OpenAPI paths of served resources: every verb of every resource and subresource, with the parameters it takes.

What clients rely on is exact: the group, version and kind of each operation, its id, the verbs, `fieldValidation` on
writes and the media types of patches. What all operations of a path take is said once, beside them. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pybernetes.apiserver.discovery.served import Kind, ServedResource, ServedSubresource, ServedVersion
from pybernetes.apiserver.openapi import operations as known
from pybernetes.apiserver.openapi.operations import Body, Operation, Shows, answered
from pybernetes.apiserver.openapi.pages import in_words, resources_page, tag_of_version, words_of_version
from pybernetes.apiserver.openapi.parameters import in_path, in_query
from pybernetes.apiserver.openapi.schemas import Dialect, Schemas
from pybernetes.apiserver.openapi.sentences import sentence_for

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where operations stand, and what their ids end with."""

    path: str
    noun: str
    kind: Kind
    subresource: str = ""


@dataclass(frozen=True, slots=True)
class Paths:
    dialect: Dialect
    schemas: Schemas

    def of_version(self, version: ServedVersion) -> dict[str, Document]:
        found: dict[str, Document] = {}
        if not version.is_custom:
            found[f"{version.path}/"] = resources_page(version).item(self.dialect, self.schemas)
        for resource in version.resources:
            found |= _OfResource(self.dialect, self.schemas, version, resource).paths()
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class _OfResource:
    dialect: Dialect
    schemas: Schemas
    version: ServedVersion
    resource: ServedResource

    def paths(self) -> dict[str, Document]:
        version, resource = self.version, self.resource
        custom = resource.published is not None
        of_collection = known.CUSTOM_COLLECTION if custom else known.COLLECTION
        of_item = known.CUSTOM_ITEM if custom else known.ITEM
        scope = "/namespaces/{namespace}" if resource.namespaced else ""
        noun = ("Namespaced" if resource.namespaced else "") + resource.kind.kind
        collection = f"{version.path}{scope}/{resource.plural}"
        found = {
            collection: self._item(_Place(collection, noun, resource.kind), of_collection, resource.verbs),
            f"{collection}/{{name}}": self._item(
                _Place(f"{collection}/{{name}}", noun, resource.kind), of_item, resource.verbs
            ),
        }
        if resource.namespaced and "list" in resource.verbs:
            everywhere = f"{version.path}/{resource.plural}"
            place = _Place(everywhere, f"{resource.kind.kind}ForAllNamespaces", resource.kind)
            found[everywhere] = self._item(place, known.COLLECTION, ("list",))
        if "watch" in resource.verbs and resource.published is None:
            found |= self._watches(scope, noun)
        for one in resource.subresources:
            found |= self._of_subresource(one, collection, noun)
        return {path: item for path, item in found.items() if any(key != "parameters" for key in item)}

    def _watches(self, scope: str, noun: str) -> dict[str, Document]:
        kind, plural = self.resource.kind, self.resource.plural
        collection = f"{self.version.path}/watch{scope}/{plural}"
        places = [
            (known.WATCH_LIST, _Place(collection, f"{noun}List", kind)),
            (known.WATCH, _Place(f"{collection}/{{name}}", noun, kind)),
        ]
        if scope:
            everywhere = f"{self.version.path}/watch/{plural}"
            places.append((known.WATCH_LIST, _Place(everywhere, f"{kind.kind}ListForAllNamespaces", kind)))
        return {place.path: self._joined(place, [self._operation(place, one)]) for one, place in places}

    def _of_subresource(self, one: ServedSubresource, collection: str, noun: str) -> dict[str, Document]:
        path = f"{collection}/{{name}}/{one.name}"
        place = _Place(path, noun + one.name[:1].upper() + one.name[1:], one.kind, one.name)
        if one.name in known.CONNECT:
            return self._connections(one.name, place)
        if one.name == "log":
            return {path: self._joined(place, [self._operation(place, known.LOG)])}
        return {
            path: self._item(
                place, known.SUBRESOURCE if self.resource.published is None else known.CUSTOM_ITEM, one.verbs
            )
        }

    def _connections(self, name: str, place: _Place) -> dict[str, Document]:
        found = {place.path: self._connected(name, place)}
        if name == "proxy":
            path = f"{place.path}/{{path}}"
            found[path] = self._connected(name, replace(place, path=path, noun=f"{place.noun}WithPath"))
        return found

    def _connected(self, name: str, place: _Place) -> Document:
        methods = known.PROXY_METHODS if name == "proxy" else known.STREAMING_METHODS
        made = (
            Operation(method, "connect", "connect", known.CONNECT[name], shows=Shows.TEXT, codes=("200",))
            for method in methods
        )
        return self._joined(place, [self._operation(place, one) for one in made])

    def _item(self, place: _Place, table: Mapping[str, Operation], verbs: Sequence[str]) -> Document:
        return self._joined(place, [self._operation(place, table[verb]) for verb in table if verb in verbs])

    def _joined(self, place: _Place, made: Iterable[tuple[str, Document]]) -> Document:
        """The operations of a path; parameters that all of them have are said beside them."""
        item: Document = dict(made)
        named = [{one["name"]: one for one in operation["parameters"]} for operation in item.values()]
        shared = _in_all(named)
        for operation, parameters in zip(item.values(), named, strict=True):
            own = [parameters[name] for name in sorted(parameters) if name not in shared]
            operation["parameters"] = own
            if not own:
                del operation["parameters"]
        for name in ("name", "namespace", "path"):
            if f"{{{name}}}" in place.path and item:
                key = name if name not in shared else f"{name} in path"
                shared[key] = in_path(self.dialect, name, place.kind.kind)
        if shared:
            item["parameters"] = sorted(shared.values(), key=lambda one: (one["name"], one["in"]))
        return item

    def _operation(self, place: _Place, operation: Operation) -> tuple[str, Document]:
        connects = operation.action == "connect"
        media = self._media(operation)
        responses = {
            code: answered(self.dialect, known.ANSWERS[code], self._shown(place, operation), media)
            for code in operation.codes
        }
        method = operation.method.capitalize() if connects else ""
        collection = "Collection" if operation.action == "deletecollection" else ""
        kind = place.kind if self.resource.published is None else self.resource.kind
        document: Document = {
            "description": self._sentence(place, operation),
            "tags": [tag_of_version(self.version)],
            "operationId": operation.word + words_of_version(self.version) + method + collection + in_words(place.noun),
            "parameters": [in_query(self.dialect, name) for name in operation.query],
            "responses": {**responses, "401": {"description": "Unauthorized"}},
            "x-kubernetes-action": operation.action,
            "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        }
        if self.dialect is Dialect.V2:
            document |= {"consumes": list(self._consumed(operation)), "produces": list(media), "schemes": ["https"]}
        if operation.body is not Body.NONE:
            self._add_body(document, place, operation)
        return operation.method, document

    def _media(self, operation: Operation) -> Sequence[str]:
        if operation.action == "connect":
            return known.ANY_MEDIA
        if self.resource.published is not None:
            return known.CUSTOM_MEDIA
        if operation.shows is Shows.TEXT:
            return ("text/plain", *known.MEDIA)
        return known.STREAMED if operation.streamed else known.MEDIA

    def _consumed(self, operation: Operation) -> Sequence[str]:
        if operation.body is not Body.PATCH:
            return known.ANY_MEDIA if self.resource.published is None else known.CUSTOM_MEDIA
        return known.PATCH_TYPES if self.resource.published is None else known.CUSTOM_PATCH_TYPES

    def _add_body(self, document: Document, place: _Place, operation: Operation) -> None:
        schema = self._taken(place, operation.body)
        required = {} if operation.body is Body.OPTIONS else {"required": True}
        if self.dialect is Dialect.V3:
            content = {one: {"schema": schema} for one in self._consumed(operation)}
            document["requestBody"] = {"content": content, **required}
        else:
            document["parameters"].append({"name": "body", "in": "body", **required, "schema": schema})

    def _taken(self, place: _Place, body: Body) -> Document:
        match body:
            case Body.PATCH:
                return self.schemas.reference("patch")
            case Body.OPTIONS:
                return self.schemas.reference("meta_v1.DeleteOptions")
        return self._of_kind(place.kind, place.kind.kind)

    def _shown(self, place: _Place, operation: Operation) -> Document:
        match operation.shows:
            case Shows.TEXT:
                return {"type": "string"}
            case Shows.EVENT:
                return self.schemas.reference("meta_v1.WatchEvent")
            case Shows.LIST:
                return self._of_kind(place.kind, f"{place.kind.kind}List")
            # Of namespaces upstream says that a Status is the answer, though it is the namespace.
            case Shows.DELETED if self.resource.returns_deleted and self.resource.plural != "namespaces":
                return self._of_kind(place.kind, place.kind.kind)
            case Shows.DELETED | Shows.STATUS:
                return self.schemas.reference("meta_v1.Status")
        return self._of_kind(place.kind, place.kind.kind)

    def _of_kind(self, kind: Kind, name: str) -> Document:
        return self.schemas.of_kind(kind.group, kind.version, name) or {"type": "object"}

    def _sentence(self, place: _Place, operation: Operation) -> str:
        can_watch = "watch" in self.resource.verbs and self.resource.published is None
        return sentence_for(operation, self.resource.kind.kind, place.subresource, can_watch)


def _in_all(named: Sequence[Mapping[str, Document]]) -> dict[str, Document]:
    """What every operation takes besides its body."""
    if not named:
        return {}
    first, *others = named
    return {name: one for name, one in first.items() if name != "body" and all(one == it.get(name) for it in others)}
