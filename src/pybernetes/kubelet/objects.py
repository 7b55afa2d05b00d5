"""Config maps and secrets that the node's pods refer to, kept fresh.

Guarantees  The first use of an object asks the API server; after that a watch of just that object keeps it, as long
            as a pod refers to it, and says when it changed. A node never lists what its pods do not use.
Follows     pkg/kubelet/util/manager/watch_based_manager.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeVar

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import ConfigMap, Pod, Secret
from pybernetes.client import Client, Unreachable, WatchType

T = TypeVar("T", ConfigMap, Secret)
Reference = tuple[type, str, str]
"""model, namespace, name"""


@dataclass(slots=True)
class _Entry:
    value: ConfigMap | Secret | None = None
    fresh: bool = False
    users: set[str] = field(default_factory=set)
    task: asyncio.Task[None] | None = None


class ClusterObjects:
    """`changed` is called with the uid of each pod that uses what has changed."""

    def __init__(self, client: Client, random: Random, changed: Callable[[str], None]) -> None:
        self._client = client
        self._random = random
        self._changed = changed
        self._entries: dict[Reference, _Entry] = {}
        self._used: dict[str, set[Reference]] = {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        return await self._get(ConfigMap, namespace, name)

    async def secret(self, namespace: str, name: str) -> Secret:
        return await self._get(Secret, namespace, name)

    async def _get(self, model: type[T], namespace: str, name: str) -> T:
        entry = self._entries.get((model, namespace, name))
        if entry is not None and entry.fresh and isinstance(entry.value, model):
            return entry.value
        value = await self._client.get(model, name, namespace)
        if entry is not None and entry.value is None:
            entry.value = value
        return value

    def use(self, pod: Pod) -> None:
        """The pod runs here: what it refers to is watched."""
        uid = pod.metadata.uid
        wanted = set(references(pod))
        for reference in self._used.get(uid, set()) - wanted:
            self._release(uid, reference)
        for reference in wanted:
            entry = self._entries.setdefault(reference, _Entry())
            entry.users.add(uid)
            if entry.task is None:
                model, namespace, name = reference
                label = f"watch {model.__name__} {namespace}/{name}"
                entry.task = asyncio.create_task(self._follow(entry, model, namespace, name), name=label)
        self._used[uid] = wanted

    def release(self, uid: str) -> None:
        for reference in self._used.pop(uid, set()):
            self._release(uid, reference)

    def _release(self, uid: str, reference: Reference) -> None:
        entry = self._entries[reference]
        entry.users.discard(uid)
        if not entry.users:
            if entry.task is not None:
                entry.task.cancel()
            del self._entries[reference]

    def close(self) -> None:
        for uid in list(self._used):
            self.release(uid)

    async def _follow(self, entry: _Entry, model: type[Any], namespace: str, name: str) -> None:
        while True:
            try:
                await self._watch_once(entry, model, namespace, name)
            except (ApiError, Unreachable):
                pass
            entry.fresh = False
            await asyncio.sleep(self._random.uniform(1, 3))

    async def _watch_once(self, entry: _Entry, model: type[Any], namespace: str, name: str) -> None:
        selector = f"metadata.name={name}"
        listed = await self._client.list(model, namespace, field_selector=selector)
        self._put(entry, next(iter(listed.items), None))
        entry.fresh = True
        version = listed.resource_version
        async for event in self._client.watch(model, namespace, resource_version=version, field_selector=selector):
            if event.type is not WatchType.BOOKMARK:
                self._put(entry, None if event.type is WatchType.DELETED else event.object)

    def _put(self, entry: _Entry, value: ConfigMap | Secret | None) -> None:
        before = entry.value.metadata.resource_version if entry.value is not None else None
        after = value.metadata.resource_version if value is not None else None
        known = entry.fresh
        entry.value = value
        if before != after and (known or before is not None):
            for uid in entry.users:
                self._changed(uid)


def references(pod: Pod) -> Iterator[Reference]:
    """Every config map and secret that the pod's volumes follow; variables are read once, at a container's start."""
    namespace = pod.metadata.namespace
    for volume in pod.spec.volumes:
        if volume.config_map is not None:
            yield ConfigMap, namespace, volume.config_map.name
        if volume.secret is not None:
            yield Secret, namespace, volume.secret.secret_name
        for source in volume.projected.sources if volume.projected is not None else ():
            if source.config_map is not None:
                yield ConfigMap, namespace, source.config_map.name
            if source.secret is not None:
                yield Secret, namespace, source.secret.name
