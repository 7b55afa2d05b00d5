"""Addresses of load balancers on this node, so that the network finds them here.

Guarantees
  Every address of the pool that a Service has is on the cluster's own device; others of the pool are not. Addresses
  outside the pool are never touched.
Assumes  One node of the cluster does this. The machine answers for an address on any of its links, as Linux does unless
         told otherwise (arp_ignore), so neighbours reach it without a route.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Protocol

from pybernetes.api.models.core_v1 import Service
from pybernetes.client import Informer
from pybernetes.network.command import run
from pybernetes.network.keeping import Keeper, made_equal

Pool = Sequence[IPv4Network | IPv6Network]


class AddressTable(Protocol):
    """Where addresses go."""

    async def present(self) -> Collection[str]: ...
    async def add(self, address: str) -> None: ...
    async def remove(self, address: str) -> None: ...


def wanted_addresses(services: Iterable[Service], pool: Pool) -> frozenset[str]:
    return frozenset(
        one.ip
        for service in services
        for one in service.status.load_balancer.ingress
        if one.ip and (one.ip_mode or "VIP") == "VIP" and is_of(one.ip, pool)
    )


def is_of(address: str, pool: Pool) -> bool:
    ip = ip_address(address)
    return any(ip in one for one in pool if one.version == ip.version)


class DeviceAddresses:
    """The addresses of one device, through iproute2."""

    def __init__(self, device: str) -> None:
        self._device = device

    async def present(self) -> Collection[str]:
        found = json.loads(await run("ip", "-json", "address", "show", "dev", self._device) or "[]")
        return frozenset(info["local"] for one in found for info in one.get("addr_info", ()) if "local" in info)

    async def add(self, address: str) -> None:
        await run("ip", "address", "replace", self._single(address), "dev", self._device)

    async def remove(self, address: str) -> None:
        await run("ip", "address", "delete", self._single(address), "dev", self._device)

    def _single(self, address: str) -> str:
        return f"{address}/{ip_address(address).max_prefixlen}"


class PoolAddresses:
    """Keeps a table equal to what Services have. `run` it in a task."""

    def __init__(self, services: Informer[Service], pool: Pool, table: AddressTable) -> None:
        self._services = services
        self._pool = pool
        self._table = table
        self._keeper = Keeper(self.sync)
        services.on_change(self._service_changed)

    async def run(self) -> None:
        await self._services.synced()
        await self._keeper.run()

    async def sync(self) -> bool:
        """Whether all of it could be done."""
        return await made_equal(self._table.present, self._changes, self._table.remove, self._table.add)

    def _changes(self, present: Collection[str]) -> tuple[list[str], list[str]]:
        wanted = wanted_addresses(self._services.list(), self._pool)
        ours = {one for one in present if is_of(one, self._pool)}
        return sorted(ours - wanted), sorted(wanted - ours)

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        before, after = (wanted_addresses([one] if one else [], self._pool) for one in (old, new))
        if before != after:
            self._keeper.wake()
