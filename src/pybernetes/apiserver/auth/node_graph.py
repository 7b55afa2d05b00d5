"""What each node's pods refer to: the secrets, config maps, claims and service accounts that their kubelet may read.

Guarantees
  Follows the pods in the store. A pod costs one search of its bytes when it changes; it is decoded only when its node
  asks for something. A pod that is bound or changed shows here as soon as its watchers hear of it.

Follows plugin/pkg/auth/authorizer/node/graph.go, for objects that pods name directly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson

from pybernetes.apiserver import background
from pybernetes.store.contract import Change, ChangeType, Compacted, Entry, Revision, Store, StoreClosed

PREFIX = "/registry/pods/"
Reference = tuple[str, str, str]
"""(resource, namespace, name)"""

_NODE_NAME = re.compile(rb'"nodeName":"([^"\\]+)"')


class NodeGraph:
    """`start` returns when the graph shows the store's pods; changes follow until `close`."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pods: dict[str, dict[str, bytes]] = {}
        self._nodes: dict[str, tuple[str, ...]] = {}
        self._read: dict[str, tuple[str, frozenset[Reference]]] = {}
        self._task: asyncio.Task[None] | None = None

    def refers(self, node: str, resource: str, namespace: str, name: str) -> bool:
        reference = (resource, namespace, name)
        for key, value in self._pods.get(node, {}).items():
            bound_to, found = self._of_pod(key, value)
            if bound_to == node and reference in found:
                return True
        return False

    def find(self, key: str) -> Mapping[str, Any] | None:
        """The object that is in the store under a key."""
        entry = self._store.get_now(key)
        found: Mapping[str, Any] | None = None if entry is None else orjson.loads(entry.value)
        return found

    async def start(self) -> None:
        revision = await self._load()
        self._task = background.start(self._follow(revision), "node graph")

    async def close(self) -> None:
        if self._task is not None:
            await background.stop(self._task)
            self._task = None

    def put(self, key: str, value: bytes) -> None:
        self.remove(key)
        # Annotations and labels may hold the same words: a pod is kept under every node that it could be on, and what
        # its specification says is read when that node asks.
        nodes = tuple({found.decode() for found in _NODE_NAME.findall(value)})
        for node in nodes:
            self._pods.setdefault(node, {})[key] = value
        if nodes:
            self._nodes[key] = nodes

    def remove(self, key: str) -> None:
        self._read.pop(key, None)
        for node in self._nodes.pop(key, ()):
            pods = self._pods[node]
            del pods[key]
            if not pods:
                del self._pods[node]

    def _of_pod(self, key: str, value: bytes) -> tuple[str, frozenset[Reference]]:
        """The node that the pod is bound to, and what it refers to."""
        found = self._read.get(key)
        if found is None:
            pod = orjson.loads(value)
            found = self._read[key] = (pod["spec"].get("nodeName", ""), frozenset(references(pod)))
        return found

    async def _load(self) -> Revision:
        found = await self._store.range(PREFIX)
        present: set[str] = set()
        for entry in found.entries:
            present.add(entry.key)
            self._note(entry)
        for gone in self._nodes.keys() - present:
            self.remove(gone)
        return found.revision

    async def _follow(self, revision: Revision) -> None:
        while True:
            try:
                async with self._store.watch(PREFIX, after=revision) as watch:
                    async for changes in watch:
                        self._apply(changes)
                return
            except Compacted:
                revision = await self._load()
            except StoreClosed:
                return

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if change.type is ChangeType.DELETE:
                self.remove(change.entry.key)
            else:
                self._note(change.entry)

    def _note(self, entry: Entry) -> None:
        self.put(entry.key, entry.value)


def references(pod: Mapping[str, Any]) -> Iterator[Reference]:
    """Everything that a pod's kubelet needs to run it."""
    namespace, spec = pod["metadata"].get("namespace", ""), pod.get("spec") or {}
    yield "serviceaccounts", namespace, spec.get("serviceAccountName") or "default"
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", namespace, secret.get("name", "")
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            for resource, name in _of_container(container):
                yield resource, namespace, name
    yield from (("resourceclaims", namespace, name) for name in _claims(pod) if name)
    for volume in spec.get("volumes") or ():
        for resource, name in _of_volume(volume):
            yield resource, namespace, name
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", namespace, f"{pod['metadata'].get('name', '')}-{volume.get('name', '')}"


def _claims(pod: Mapping[str, Any]) -> Iterator[str]:
    """The resource claims of a pod: those that it names and those that were made for it."""
    for claim in (pod.get("spec") or {}).get("resourceClaims") or ():
        yield claim.get("resourceClaimName", "")
    status = pod.get("status") or {}
    for made in status.get("resourceClaimStatuses") or ():
        yield made.get("resourceClaimName", "")
    yield (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName", "")


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        for key, resource in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if key in source:
                yield resource, source[key].get("name", "")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for key, resource in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if key in source:
                yield resource, source[key].get("name", "")


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "secret" in volume:
        yield "secrets", volume["secret"].get("secretName", "")
    if "configMap" in volume:
        yield "configmaps", volume["configMap"].get("name", "")
    if "persistentVolumeClaim" in volume:
        yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield "secrets", source["secret"].get("name", "")
        if "configMap" in source:
            yield "configmaps", source["configMap"].get("name", "")
    for source in volume.values():
        if isinstance(source, Mapping):
            for key in ("secretRef", "nodePublishSecretRef"):
                if isinstance(source.get(key), Mapping):
                    yield "secrets", source[key].get("name", "")
            if "shareName" in source and "secretName" in source:
                yield "secrets", source["secretName"]
