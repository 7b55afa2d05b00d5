"""What each node's pods refer to: the secrets, config maps, claims and service accounts that their kubelet may read.

Guarantees
  Follows the pods in the store. A pod costs one search of its bytes when it changes; it is decoded only when its node
  asks for something. A pod that is bound or changed shows here as soon as its watchers hear of it.

Follows plugin/pkg/auth/authorizer/node/graph.go, for objects that pods name directly.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from pybernetes.api.pod_references import Reference, references
from pybernetes.apiserver import background
from pybernetes.store.contract import Change, ChangeType, Compacted, Entry, Revision, Store, StoreClosed

PREFIX = "/registry/pods/"
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
