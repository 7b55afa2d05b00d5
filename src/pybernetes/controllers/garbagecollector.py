"""Garbage collector: what has owners goes with the last of them.

Guarantees
  An object is deleted only when every owner it names was found absent by asking the server, or is being deleted in the
  foreground; never because an informer lags behind. The deletion is bound to its uid.
  Background: an owner goes at once, dependents follow. Foreground: an owner waits for those dependents that block it.
  Orphan: dependents lose their reference to the owner before it goes.
  An object with a living owner only loses its references to absent ones.
  An owner in another namespace does not exist for a namespaced object.
  All kinds that discovery lists are covered, custom ones within half a minute of their appearance.
Follows pkg/controller/garbagecollector.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import Key
from pybernetes.api.models import meta_v1
from pybernetes.api.recently_used import RecentlyUsed
from pybernetes.client import Informer, PatchType, Unreachable
from pybernetes.client.discovery import Discovered, discover
from pybernetes.client.events import WARNING, Reference
from pybernetes.client.resource import ResourceClient
from pybernetes.controllers.controller import DONE, Context, Controller, Result, Retry, Terminal
from pybernetes.controllers.ownership_graph import FOREGROUND, ORPHAN, Node, OwnershipGraph

log = structlog.get_logger(__name__)

REDISCOVER_SECONDS = READY_SECONDS = 30.0
RETRY_SECONDS = 1.0
ABSENT_REMEMBERED = 500
IGNORED = frozenset({"events", "events.events.k8s.io"})


class Owned(msgspec.Struct, kw_only=True):
    """All that is looked at of any object."""

    metadata: meta_v1.ObjectMeta = msgspec.field(default_factory=meta_v1.ObjectMeta)


@dataclass(frozen=True, slots=True)
class Standing:
    """An object's owner references, by what became of the owners."""

    solid: tuple[meta_v1.OwnerReference, ...]
    dangling: tuple[meta_v1.OwnerReference, ...]
    waiting: tuple[meta_v1.OwnerReference, ...]
    """Their owners wait for dependents to go."""


class GarbageCollector(Controller):
    name = "garbage-collector-controller"
    workers = 20

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.graph = OwnershipGraph()
        self._known: dict[tuple[str, str], KindInfo] = {}
        self._clients: dict[KindInfo, ResourceClient[Owned]] = {}
        self._absent: RecentlyUsed[tuple[KindInfo, Key, str], bool] = RecentlyUsed(ABSENT_REMEMBERED)
        """Owners found absent: a uid that is gone never comes back; kind or name a reference may have wrong."""

    async def run(self) -> None:
        """Keys are uids: `Key("", uid)`."""
        await self._discover()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_discovering(), name=f"{self.name}:discovery")
            tasks.create_task(super().run(), name=f"{self.name}:workers")

    async def ready(self) -> None:
        """A kind that may not be listed holds up the others for a while only: owners are asked for one by one."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                await super().ready()
        except TimeoutError:
            late = [informer.info.group_resource for informer in self.informers if not informer.has_synced]
            log.warning("some kinds are not known yet", controller=self.name, kinds=late)

    async def _keep_discovering(self) -> None:
        wait = RETRY_SECONDS
        while True:
            await asyncio.sleep(wait)
            complete = await self._discover()
            wait = REDISCOVER_SECONDS if complete else min(2 * wait, REDISCOVER_SECONDS)

    async def _discover(self) -> bool:
        """Whether all kinds are known now."""
        try:
            found = await discover(self.client)
        except (ApiError, Unreachable) as error:
            log.warning("discovery failed", controller=self.name, error=str(error))
            return False
        for resource in found.supporting("list", "watch", "delete"):
            self._monitor(resource)
        return not found.failed

    def _monitor(self, resource: Discovered) -> None:
        info = resource.info
        identity = (info.group, info.kind)
        if identity in self._known or info.group_resource in IGNORED:
            return
        self._known[identity] = info
        self._clients[info] = ResourceClient(self.client.transport, info, Owned)
        informer: Informer[Any] | None = self.context.informers.known(info)
        if informer is None:
            informer = self.context.informers.of(self._clients[info])
        self.informers.append(informer)
        informer.on_change(lambda old, new: self._observe(info, old, new))

    def _observe(self, info: KindInfo, old: Any | None, new: Any | None) -> None:
        if new is not None:
            attention = self.graph.observe(info, new.metadata)
        else:
            attention = self.graph.forget(old.metadata.uid) if old is not None else set()
        for uid in attention:
            self.queue.add(Key("", uid))

    async def reconcile(self, key: Key) -> Result:
        node = self.graph.get(key.name)
        if node is None:
            return DONE
        if node.lets_dependents_go:
            await self._orphan_dependents(node)
        elif node.waits_for_dependents:
            await self._finish_foreground(node)
        elif not node.deleting and node.owners:
            await self._collect(node)
        return DONE

    async def _collect(self, node: Node) -> None:
        live = await self._live(node.info, node.key, node.uid)
        if live is None or live.metadata.deletion_timestamp is not None:
            return
        self._tell_of_misplaced(node)
        standing = await self._standing(node, live)
        if standing.solid:
            if standing.dangling or standing.waiting:
                await self._drop_references(node, (*standing.dangling, *standing.waiting))
            return
        if not (standing.dangling or standing.waiting):
            return
        policy = _policy(live, bool(standing.waiting) and bool(self.graph.dependents(node.uid)))
        if standing.waiting and any(each.waits_for_dependents for each in self.graph.dependents(node.uid)):
            await self._stop_blocking(node, live)
        await self._delete(node, policy)

    def _tell_of_misplaced(self, node: Node) -> None:
        """An owner in another namespace is a mistake that costs the object its life: somebody should hear of it."""
        misplaced = self.graph.misplaced_owner(node)
        if misplaced is None:
            return
        namespace, info = node.key.namespace, node.info
        kind = f"{misplaced.api_version}/{misplaced.kind}"
        owner = f"[{kind}, namespace: {namespace}, name: {misplaced.name}, uid: {misplaced.uid}]"
        message = f'ownerRef {owner} does not exist in namespace "{namespace}"'
        about = Reference(info.api_version, info.kind, namespace, node.key.name, node.uid)
        self.recorder.event(about, WARNING, "OwnerRefInvalidNamespace", message)

    async def _standing(self, node: Node, live: Owned) -> Standing:
        solid: list[meta_v1.OwnerReference] = []
        dangling: list[meta_v1.OwnerReference] = []
        waiting: list[meta_v1.OwnerReference] = []
        for reference in live.metadata.owner_references:
            owner = await self._owner(node, reference)
            if owner is None:
                dangling.append(reference)
            elif owner.metadata.deletion_timestamp is not None and FOREGROUND in owner.metadata.finalizers:
                waiting.append(reference)
            else:
                solid.append(reference)
        return Standing(tuple(solid), tuple(dangling), tuple(waiting))

    async def _owner(self, node: Node, reference: meta_v1.OwnerReference) -> Owned | None:
        """The living owner, from the server; None when it is gone, or was replaced by another of its name."""
        group, _, _ = reference.api_version.rpartition("/")
        info = self._known.get((group, reference.kind))
        if info is None:
            raise Retry(f"{reference.api_version} {reference.kind}, an owner of {node.key}, is not a known kind")
        namespace = node.key.namespace if info.namespaced else ""
        if info.namespaced and not namespace:
            raise Terminal(
                f"{reference.kind} {reference.name}, an owner of {node.key}, has a namespace; {node.key} has none"
            )
        key = Key(namespace, reference.name)
        if self._absent.get((info, key, reference.uid)):
            return None
        owner = await self._live(info, key, reference.uid)
        if owner is None:
            self._absent.put((info, key, reference.uid), True)
        return owner

    async def _live(self, info: KindInfo, key: Key, uid: str) -> Owned | None:
        try:
            found = await self._client(info).get(key.name, key.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return found if found.metadata.uid == uid else None

    async def _drop_references(self, node: Node, references: tuple[meta_v1.OwnerReference, ...]) -> None:
        gone = {reference.uid for reference in references}
        await self._edit_references(node, lambda reference: None if reference["uid"] in gone else reference)

    async def _stop_blocking(self, node: Node, live: Owned) -> None:
        """Two that wait for each other would wait for ever."""
        if any(reference.block_owner_deletion for reference in live.metadata.owner_references):
            await self._edit_references(node, lambda reference: {**reference, "blockOwnerDeletion": False})

    async def _edit_references(self, node: Node, edit: Any) -> None:
        """Rewrites the list as a whole, bound to the version it was read at: kinds differ in how they merge it."""
        live = await self._live(node.info, node.key, node.uid)
        if live is None:
            return
        references = [edit(msgspec.to_builtins(reference)) for reference in live.metadata.owner_references]
        patch = {
            "metadata": {
                "uid": node.uid,
                "resourceVersion": live.metadata.resource_version,
                "ownerReferences": [reference for reference in references if reference is not None],
            }
        }
        await self._patch(node, patch)

    async def _delete(self, node: Node, policy: str) -> None:
        log.debug("collecting", kind=node.info.kind, key=str(node.key), policy=policy)
        try:
            await self._client(node.info).delete(node.key.name, node.key.namespace, uid=node.uid, propagation=policy)
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _finish_foreground(self, node: Node) -> None:
        blocking = self.graph.blocking_dependents(node.uid)
        if not blocking:
            await self._remove_finalizer(node, FOREGROUND)
            return
        for dependent in blocking:
            if not dependent.deleting:
                self.queue.add(Key("", dependent.uid))

    async def _orphan_dependents(self, node: Node) -> None:
        for dependent in self.graph.dependents(node.uid):
            await self._edit_references(
                dependent, lambda reference: None if reference["uid"] == node.uid else reference
            )
        await self._remove_finalizer(node, ORPHAN)

    async def _remove_finalizer(self, node: Node, finalizer: str) -> None:
        live = await self._live(node.info, node.key, node.uid)
        if live is None or finalizer not in live.metadata.finalizers:
            return
        patch = {
            "metadata": {
                "uid": node.uid,
                "resourceVersion": live.metadata.resource_version,
                "finalizers": [name for name in live.metadata.finalizers if name != finalizer],
            }
        }
        await self._patch(node, patch)

    async def _patch(self, node: Node, patch: dict[str, Any]) -> None:
        try:
            await self._client(node.info).patch(node.key.name, node.key.namespace, patch, PatchType.MERGE)
        except ApiError as error:
            if error.code != 404:
                raise

    def _client(self, info: KindInfo) -> ResourceClient[Owned]:
        client = self._clients.get(info)
        if client is None:
            client = self._clients[info] = ResourceClient(self.client.transport, info, Owned)
        return client


def _policy(live: Owned, wait_for_dependents: bool) -> str:
    """How to delete: as the object's own finalizers ask, else so that a waiting owner can go on waiting."""
    if wait_for_dependents:
        return "Foreground"
    if ORPHAN in live.metadata.finalizers:
        return "Orphan"
    if FOREGROUND in live.metadata.finalizers:
        return "Foreground"
    return "Background"
