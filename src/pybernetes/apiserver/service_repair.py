"""IPAddresses and services that do not fit together are mended.

Guarantees  What a service carries is held, what nobody carries goes; both are told in events. At the start all services
            and IPAddresses are looked at, afterwards an IPAddress whenever it changes. One without a service is left
            alone for a minute: somebody may be about to write the service. IPAddresses that others manage are never
            touched. Node ports are looked at at the start, and only told of.

Follows pkg/registry/core/service/ipallocator/controller/repairip.go and portallocator/controller/repair.go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pybernetes.api import errors
from pybernetes.api.meta import parse_time
from pybernetes.apiserver.allocators import AddressRange
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.event_writing import EventWriter
from pybernetes.apiserver.following import Follower
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document, Facilities
from pybernetes.apiserver.resources.service_addresses import (
    IP_ADDRESSES,
    SERVICE_CIDRS,
    ServiceAddresses,
    parse_address,
)
from pybernetes.apiserver.resources.service_rules import cluster_ips
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.service_findings import (
    Finding,
    Later,
    judge_address,
    judge_ports,
    judge_service,
    out_of_range,
)
from pybernetes.apiserver.watch_events import Event
from pybernetes.store.contract import Exists, ModRevisionIs, Put, StoreError

_SERVICES = ("", "v1", "services")
_ADDRESSES = ("networking.k8s.io", "v1", "ipaddresses")
log = logging.getLogger(__name__)


class ServiceRepair:
    """Between ``start`` and ``stop``, for a server that serves both kinds."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._making = ServiceAddresses(Facilities(server.store, server.reader, server.random, server.options))
        self._address_events = EventWriter(server, "ipallocator-repair-controller")
        self._port_events = EventWriter(server, "portallocator-repair-controller")
        self._seen: dict[str, Document] = {}
        """How IPAddresses that are to be looked at were last."""
        self._follower: Follower | None = None

    async def start(self) -> None:
        """Returns when every address that a service carries is held."""
        if {_SERVICES, _ADDRESSES} <= self._server.endpoints.keys():
            self._follower = Follower(self._addresses.cache, self._look_at, "service-repair", concerns=self._foreign)
            self._follower.mark_all()
            self._follower.start()
            await self._look_at_services()

    @property
    def is_running(self) -> bool:
        """True, too, where there is nothing to be repaired."""
        return self._follower is None or self._follower.is_running

    async def stop(self) -> None:
        if self._follower is not None:
            await self._follower.stop()

    @property
    def _addresses(self) -> Registry:
        return self._server.endpoints[_ADDRESSES].registry

    @property
    def _services(self) -> Registry:
        return self._server.endpoints[_SERVICES].registry

    def _foreign(self, event: Event) -> Iterable[str]:
        """What was written with a service needs no look: in such a transaction the service comes first."""
        if event.revision == self._services.cache.newest:
            return ()
        self._seen[event.object.name] = event.object.document
        return (event.object.name,)

    async def _look_at_services(self) -> None:
        services = list(self._server.reader.list("services"))
        low, high = self._server.options.node_port_range
        for finding in judge_ports(services, low, high):
            await self._port_events.warn(finding.about, finding.reason, finding.message, "PortAllocation")
        stated = (one["spec"]["cidrs"] for one in self._server.reader.list(SERVICE_CIDRS))
        ranges = [AddressRange(text) for cidrs in stated for text in cidrs]
        for service in services:
            for address in map(parse_address, cluster_ips(service)):
                await self._look_at_service(service, str(address), ranged=any(address in one for one in ranges))

    async def _look_at_service(self, service: Document, name: str, *, ranged: bool) -> None:
        try:
            if ranged:
                await self._mend_service(service, name)
            else:
                await self._act(name, out_of_range(service, name), service)
        except (errors.ApiError, StoreError) as error:
            log.warning("%s: the address of a service was not put in order: %s", name, error)

    async def _look_at(self, name: str) -> None:
        found = await self._addresses.find("", name)
        if found is not None:
            await self._mend_address(name, found.document)
        elif (gone := self._seen.get(name)) is not None:
            parent = self._parent(gone)
            if parent is not None and name in map(str, map(parse_address, cluster_ips(parent))):
                await self._mend_service(parent, name)
        self._seen.pop(name, None)

    def _later(self, name: str, seconds: float) -> None:
        if self._follower is not None:
            self._follower.mark_later(name, seconds)

    def _parent(self, address: Document) -> Document | None:
        reference = address["spec"].get("parentRef") or {}
        return self._server.reader.get("services", reference.get("namespace", ""), reference.get("name", ""))

    async def _mend_address(self, name: str, found: Document) -> None:
        parent = self._parent(found)
        age = (self._server.clock.now() - parse_time(found["metadata"]["creationTimestamp"])).total_seconds()
        verdict = judge_address(found, parent, age)
        if isinstance(verdict, Later):
            self._later(name, verdict.seconds)
        elif verdict is not None:
            await self._act(name, verdict, None)
        elif parent is not None:
            await self._mend_service(parent, name)

    async def _mend_service(self, service: Document, name: str) -> None:
        found = await self._addresses.find("", name)
        address = None if found is None else found.document
        parent = None if address is None else self._parent(address)
        finding = judge_service(service, name, address, parent)
        if finding is not None:
            await self._act(name, finding, service)

    async def _act(self, name: str, finding: Finding, service: Document | None) -> None:
        if finding.reason:
            log.warning("%s", finding.message)
            action = "IPAddressAllocation" if service is None else "ClusterIPAllocation"
            await self._address_events.warn(finding.about, finding.reason, finding.message, action)
        context = Context(SERVER_USER, self._server.clock.now())
        if finding.delete and await self._addresses.find("", name) is not None:
            await self._addresses.delete("", name, DeleteOptions(), context)
        if finding.create and service is not None:
            await self._create(name, service, context)

    async def _create(self, name: str, service: Document, context: Context) -> None:
        """For a service that is still there."""
        metadata, key = service["metadata"], IP_ADDRESSES + name
        holder = self._services.key(metadata["namespace"], metadata["name"])
        value = self._making.address_of(name, service, context)
        await self._server.store.transact(require=(ModRevisionIs(key, 0), Exists(holder)), write=(Put(key, value),))
