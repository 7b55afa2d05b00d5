"""Keeps `Rbac` in step with the store: reads the roles and bindings once, then follows their changes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import orjson

from pybernetes.apiserver import background
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.store.contract import Change, ChangeType, Compacted, Revision, Store, StoreClosed

KINDS = {
    "/registry/clusterroles/": "ClusterRole",
    "/registry/clusterrolebindings/": "ClusterRoleBinding",
    "/registry/roles/": "Role",
    "/registry/rolebindings/": "RoleBinding",
}


class RbacFeed:
    """`start` returns when `rbac` shows the store's state; changes follow until `close`."""

    def __init__(self, store: Store, rbac: Rbac) -> None:
        self._store = store
        self._rbac = rbac
        self._tasks: list[asyncio.Task[None]] = []
        self._known: dict[str, set[str]] = {prefix: set() for prefix in KINDS}

    async def start(self) -> None:
        for prefix in KINDS:
            revision = await self._load(prefix)
            self._tasks.append(background.start(self._follow(prefix, revision), f"rbac {prefix}"))

    @property
    def is_running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def close(self) -> None:
        await background.stop(*self._tasks)
        self._tasks.clear()

    async def _load(self, prefix: str) -> Revision:
        found = await self._store.range(prefix)
        for entry in found.entries:
            self._rbac.put(orjson.loads(entry.value))
        keys = {entry.key for entry in found.entries}
        for gone in self._known[prefix] - keys:
            self._remove(prefix, gone)
        self._known[prefix] = keys
        return found.revision

    async def _follow(self, prefix: str, revision: Revision) -> None:
        while True:
            try:
                async with self._store.watch(prefix, after=revision) as watch:
                    async for changes in watch:
                        self._apply(prefix, changes)
                return
            except Compacted:
                revision = await self._load(prefix)
            except StoreClosed:
                return

    def _apply(self, prefix: str, changes: Sequence[Change]) -> None:
        for change in changes:
            key = change.entry.key
            if change.type is ChangeType.DELETE:
                self._known[prefix].discard(key)
                self._remove(prefix, key)
            else:
                self._known[prefix].add(key)
                self._rbac.put(orjson.loads(change.entry.value))

    def _remove(self, prefix: str, key: str) -> None:
        namespace, _, name = key.removeprefix(prefix).rpartition("/")
        self._rbac.remove(KINDS[prefix], namespace, name)
