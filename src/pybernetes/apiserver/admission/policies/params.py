"""The parameters of a binding: the objects that `paramRef` names or selects.

Follows CollectParams in k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go.
"""

from __future__ import annotations

import msgspec

from pybernetes.api import errors
from pybernetes.api.models.meta_v1 import LabelSelector as SelectorModel
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.webhooks.matching import labels_of
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Document, Resource


class Misconfigured(Exception):
    """A policy or binding asks for something that cannot be; the failure policy decides."""


class Params:
    def __init__(self, host: Host) -> None:
        self._resources = host.resources
        self._registry = host.registry
        self._reader = host.reader

    def resource_of(self, kind: Document) -> Resource:
        """What `paramKind` names. Raises ``Misconfigured``."""
        group, _, version = kind["apiVersion"].rpartition("/")
        for resource in self._resources():
            info = resource.info
            if (info.group, info.version, info.kind) == (group, version, kind["kind"]):
                return resource
        shown = f"{group}/{version}, Kind={kind['kind']}"
        raise Misconfigured(f"failed to find resource referenced by paramKind: '{shown}'")

    async def collect(self, kind: Document | None, ref: Document | None, namespace: str) -> list[Document | None]:
        """One for each evaluation: [None] where there are no parameters. Raises ``Misconfigured``."""
        if kind is None or ref is None:
            return [None]
        resource = self.resource_of(kind)
        namespace = _namespace(resource, ref, namespace)
        found = await self._found(resource, ref, namespace)
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
        return [{**one, "apiVersion": kind["apiVersion"], "kind": kind["kind"]} for one in found]

    async def _found(self, resource: Resource, ref: Document, namespace: str) -> list[Document]:
        info = resource.info
        registry: Registry = self._registry(info.group, info.version, info.plural)
        if ref.get("name"):
            return await _get(registry, namespace, ref["name"])
        selector = LabelSelector.from_model(msgspec.convert(ref.get("selector") or {}, SelectorModel))
        found: list[Document] = []
        for one in self._reader.list(info.group_resource, namespace):
            if selector.matches(labels_of(one)):
                metadata = one["metadata"]
                found += await _get(registry, metadata.get("namespace", ""), metadata["name"])
        return found


async def _get(registry: Registry, namespace: str, name: str) -> list[Document]:
    try:
        stored = await registry.get(namespace, name)
    except errors.ApiError as error:
        if error.reason == "NotFound":
            return []
        raise
    return [registry.document_of(stored)]


def _namespace(resource: Resource, ref: Document, namespace: str) -> str:
    stated: str = ref.get("namespace") or ""
    if not resource.info.namespaced:
        if stated:
            raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
        return ""
    if not stated and not namespace:
        raise Misconfigured("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
    return stated or namespace
