"""The Service proxy of a node: watches Services, EndpointSlices and the node's pods, and keeps nftables equal to them.

Guarantees  One nft transaction per burst of changes, holding only what changed; when the kernel refuses one, the whole
            table is written anew. No packet ever sees half a change. UDP flows to vanished endpoints are forgotten.
Assumes     Informers deliver every change; it runs as root in the node's network namespace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from pybernetes.api.meta import Key
from pybernetes.api.models.core_v1 import Pod, Service
from pybernetes.api.models.discovery_v1 import EndpointSlice
from pybernetes.client import Informer
from pybernetes.network.command import CommandFailed, CommandMissing, run
from pybernetes.network.proxy import render
from pybernetes.network.proxy.conntrack import Stale, stale_flows
from pybernetes.network.proxy.ruleset import (
    NodeFacts,
    Piece,
    Ruleset,
    host_port_piece,
    ruleset,
    service_of,
    service_piece,
)

log = structlog.get_logger("proxy")

SETTLE_SECONDS = 0.01
RETRY_SECONDS = 1.0
SERVICE_INDEX = "service"
_EMPTY = Piece()


class Kernel(Protocol):
    """Where rules go."""

    async def apply(self, transaction: str) -> None: ...
    async def forget(self, flows: Sequence[Stale]) -> None: ...


class Nftables:
    """The kernel of this machine, through nft and conntrack."""

    def __init__(self) -> None:
        self._conntrack_missing = False

    async def apply(self, transaction: str) -> None:
        await run("nft", "-f", "-", text=transaction)

    async def forget(self, flows: Sequence[Stale]) -> None:
        for flow in () if self._conntrack_missing else flows:
            try:
                await run("conntrack", *flow.arguments())
            except CommandMissing:
                self._conntrack_missing = True
                log.warning("conntrack is not installed: UDP clients may keep talking to endpoints that are gone")
                return
            except CommandFailed as error:
                if "0 flow entries" not in error.words:
                    log.warning("could not forget a UDP flow", error=str(error))


class ServiceProxy:
    def __init__(
        self,
        services: Informer[Service],
        slices: Informer[EndpointSlice],
        pods: Informer[Pod],
        node: NodeFacts,
        kernel: Kernel | None = None,
    ) -> None:
        """`pods` may be limited to those of the node: only their host ports are looked at."""
        self._services, self._slices, self._pods, self._node = services, slices, pods, node
        self._kernel = kernel or Nftables()
        self._applied: Ruleset | None = None
        self._dirty_services: set[tuple[str, str]] = set()
        self._dirty_pods: set[Key] = set()
        self._changed = asyncio.Event()
        slices.add_index(SERVICE_INDEX, lambda piece: ["/".join(service_of(piece))])
        services.on_change(self._service_changed)
        slices.on_change(self._slice_changed)
        pods.on_change(self._pod_changed)

    async def run(self) -> None:
        for informer in (self._services, self._slices, self._pods):
            await informer.synced()
        self._changed.set()
        while True:
            await self._changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
            try:
                await self.sync()
            except CommandFailed as error:
                log.error("rules were refused; the whole table is written next", error=str(error))
                self.start_anew()
                await asyncio.sleep(RETRY_SECONDS)

    def place(self, zone: str) -> None:
        """The node is in this zone from now on, which may lead traffic elsewhere."""
        if zone != self._node.zone:
            self._node = replace(self._node, zone=zone)
            self.start_anew()

    def start_anew(self) -> None:
        """The next transaction is the whole table, whatever the kernel has now."""
        self._applied = None
        self._changed.set()

    async def sync(self) -> None:
        """One transaction that makes the kernel equal to what is known now."""
        self._changed.clear()
        services, self._dirty_services = self._dirty_services, set()
        pods, self._dirty_pods = self._dirty_pods, set()
        old = self._applied
        if old is None:
            new = ruleset(self._services.list(), self._slices.list(), self._node, self._pods.list())
            await self._kernel.apply(render.whole(new))
        else:
            new = self._updated(old, services, pods)
            transaction = render.difference(old, new)
            if transaction:
                await self._kernel.apply(transaction)
        self._applied = new
        await self._kernel.forget(_stale(old, new))

    def _updated(self, old: Ruleset, services: set[tuple[str, str]], pods: set[Key]) -> Ruleset:
        pieces = dict(old.pieces)
        for namespace, name in services:
            service = self._services.get(Key(namespace, name))
            slices = self._slices.by_index(SERVICE_INDEX, f"{namespace}/{name}")
            made = None if service is None else service_piece(service, slices, self._node)
            _set(pieces, f"service/{namespace}/{name}", made)
        for key in pods:
            pod = self._pods.get(key)
            made = None if pod is None else host_port_piece(pod, self._node)
            _set(pieces, f"pod/{key.namespace}/{key.name}", made)
        return Ruleset(self._node, pieces)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        some = new or old
        if some is not None:
            self._dirty_services.add((some.metadata.namespace, some.metadata.name))
            self._changed.set()

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._dirty_services.update(service_of(piece) for piece in (old, new) if piece is not None)
        self._changed.set()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        some = new or old
        containers = () if some is None else (*some.spec.containers, *some.spec.init_containers)
        if some is not None and any(port.host_port for one in containers for port in one.ports):
            self._dirty_pods.add(Key(some.metadata.namespace, some.metadata.name))
            self._changed.set()


def _set(pieces: dict[str, Piece], key: str, piece: Piece | None) -> None:
    if piece is None or piece == _EMPTY:
        pieces.pop(key, None)
    else:
        pieces[key] = piece


def _stale(old: Ruleset | None, new: Ruleset) -> list[Stale]:
    if old is None:
        return []
    keys = old.pieces.keys() | new.pieces.keys()
    pairs = ((old.pieces.get(key, _EMPTY), new.pieces.get(key, _EMPTY)) for key in keys)
    return [flow for before, after in pairs if before is not after for flow in stale_flows(before, after)]
