"""The addresses and node ports of services.

Guarantees  An address or a port is held by at most one service. Addresses are held by IPAddresses, written with the
            service. Node ports are held in memory; the services in the store are the truth: after a start, what they
            carry is taken, and what was taken for a write that failed is free again.

Follows pkg/registry/core/service/storage/alloc.go and storage.go.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import at, invalid
from pybernetes.apiserver.allocators import AlreadyAllocated, NotInRange, PortAllocator, RangeFull
from pybernetes.apiserver.resource import Context, Document, Facilities, Reservation
from pybernetes.apiserver.resources import service_ports
from pybernetes.apiserver.resources.service_addresses import IP_ADDRESSES, ServiceAddresses, family_of, parse_address
from pybernetes.apiserver.resources.service_families import keeps_preference, settle_families
from pybernetes.apiserver.resources.service_ports import PortClaims
from pybernetes.apiserver.resources.service_rules import (
    HEADLESS,
    cluster_ips,
    complete_cluster_ips,
    follow_cluster_ip,
    keep_allocated,
    needs_cluster_ip,
)
from pybernetes.apiserver.validation.ingress import check_segment
from pybernetes.store.contract import Condition, Delete, ModRevisionIs, Put, Write

_PREFIX = "/registry/services/specs/"
_ENDPOINTS = "/registry/services/endpoints/"
log = logging.getLogger(__name__)


class ServiceReservation:
    """What one write takes, and what it gives back."""

    def __init__(self, service: Document, addresses: ServiceAddresses, claims: PortClaims, context: Context) -> None:
        self.service = service
        self.claims = claims
        self.released: Sequence[str] = ()
        self._addresses = addresses
        self._context = context
        self._claimed: dict[str, bool] = {}
        """Names of the IPAddresses to come, and whether the server has picked them."""

    def ask(self, family: str, index: int) -> None:
        """For the address that the service asks for in this place, or any. Raises ApiError."""
        asked = self.service["spec"]["clusterIPs"][index]
        if not asked:
            self._pick(family, index)
            return
        try:
            if self._context.dry_run:
                self._addresses.check_only_looking(asked)
            else:
                self._addresses.check(asked)
                self._claim(_name(asked), f"IP {asked}", picked=False)
        except (AlreadyAllocated, NotInRange) as error:
            raise self._refusal(f"IP {asked}", str(error)) from error

    def _pick(self, family: str, index: int) -> None:
        spec, name = self.service["spec"], self.service["metadata"].get("name", "")
        if self._context.dry_run:
            address = self._addresses.example(family)
        else:
            try:
                address = self._addresses.pick(family)
            except RangeFull as error:
                text = f'failed to allocate a serviceIP for Service "{name}": {error}'
                raise errors.internal_error(text) from error
            self._claim(address, "IP", picked=True)
        spec["clusterIPs"][index] = address
        if index == 0:
            spec["clusterIP"] = address

    def _claim(self, named: str, what: str, *, picked: bool) -> None:
        """An IPAddress names its service, so the service must have a name that can be one."""
        name = self.service["metadata"].get("name", "")
        if problems := list(check_segment(name, at.spec.parentRef.name)):
            raise self._refusal(what, errors.invalid("networking.k8s.io", "IPAddress", named, problems).message)
        self._claimed[named] = picked

    def _refusal(self, what: str, why: str) -> errors.ApiError:
        spec, name = self.service["spec"], self.service["metadata"].get("name", "")
        problem = invalid(at.spec.clusterIPs, spec["clusterIPs"], f"failed to allocate {what}: {why}")
        return errors.invalid("", "Service", name, [problem])

    @property
    def require(self) -> Iterable[Condition]:
        return [ModRevisionIs(IP_ADDRESSES + name, 0) for name in self._claimed]

    @property
    def write(self) -> Iterable[Write]:
        made = self._addresses.address_of
        yield from (Put(IP_ADDRESSES + name, made(name, self.service, self._context)) for name in self._claimed)
        yield from (Delete(IP_ADDRESSES + _name(address)) for address in self.released)

    def overtaken(self, failed: Condition) -> bool:
        name = failed.key.removeprefix(IP_ADDRESSES)
        if name not in self._claimed:
            return False
        if not self._claimed.pop(name):
            raise self._refusal(f"IP {name}", "provided IP is already allocated")
        self._pick(family_of(name), self.service["spec"]["clusterIPs"].index(name))
        return True

    def confirm(self) -> None:
        self.claims.confirm()

    def cancel(self) -> None:
        self.claims.cancel()


class ServiceReservations:
    def __init__(self, facilities: Facilities) -> None:
        options = facilities.options
        self._store = facilities.store
        self.addresses = ServiceAddresses(facilities)
        self.ports = PortAllocator(*options.node_port_range, facilities.random)

    async def start(self) -> None:
        found = await self._store.range(_PREFIX)
        for entry in found.entries:
            for port in service_ports.held_ports(orjson.loads(entry.value)):
                try:
                    self.ports.allocate(port)
                except (AlreadyAllocated, NotInRange) as error:
                    log.warning("%s: node port %s is not usable: %s", entry.key, port, error)
        self.ports.allocated.clear()
        self.ports.refused.clear()

    def reserve(self, new: Document, old: Document | None, context: Context) -> Reservation:
        new.setdefault("spec", {})
        if old is None:
            complete_cluster_ips(new["spec"])
        else:
            keep_allocated(new["spec"], old["spec"])
            follow_cluster_ip(new["spec"], old["spec"])
        settle_families(new, old, self.addresses.families)
        reservation = ServiceReservation(new, self.addresses, PortClaims(self.ports, dry_run=context.dry_run), context)
        try:
            _ask_for_addresses(new, old, reservation)
            service_ports.claim(new, old, reservation.claims)
        except errors.ApiError:
            reservation.cancel()
            raise
        return reservation

    async def removal(self, old: Document) -> Sequence[Write]:
        """With a service go its IPAddresses and its Endpoints, but for those that somebody's finalizers keep."""
        metadata = old["metadata"]
        keys = [IP_ADDRESSES + _name(address) for address in cluster_ips(old)]
        keys.append(f"{_ENDPOINTS}{metadata['namespace']}/{metadata['name']}")
        found = [await self._store.get(key) for key in keys]
        return [Delete(entry.key) for entry in found if entry is not None and not _finalizers(entry.value)]

    def release(self, old: Document) -> None:
        for port in service_ports.held_ports(old):
            self.ports.release(port)


def _ask_for_addresses(new: Document, old: Document | None, reservation: ServiceReservation) -> None:
    """All of them for a service that had none, the second one for a service that gets a second family."""
    after, before = new["spec"], old["spec"] if old is not None else None
    if before is None or not needs_cluster_ip(before):
        if needs_cluster_ip(after) and (after.get("clusterIPs") or [""])[0] != HEADLESS:
            _ask_from(0, after, reservation)
        return
    if keeps_preference(after, before) or (before.get("clusterIPs") or [""])[0] == HEADLESS:
        return
    had, has = len(before.get("ipFamilies") or ()), len(after.get("ipFamilies") or ())
    if not needs_cluster_ip(after):
        reservation.released = before.get("clusterIPs") or ()
    elif (had, has) == (1, 2):
        _ask_from(1, after, reservation)
    elif (had, has) == (2, 1):
        reservation.released = (before.get("clusterIPs") or ())[1:]


def _ask_from(first: int, spec: Document, reservation: ServiceReservation) -> None:
    families = spec.get("ipFamilies") or []
    asked = spec.get("clusterIPs") or []
    spec["clusterIPs"] = [*asked, *[""] * (len(families) - len(asked))]
    for index, family in list(enumerate(families))[first:]:
        reservation.ask(family, index)


def _name(address: str) -> str:
    return str(parse_address(address))


def _finalizers(value: bytes) -> bool:
    return b'"finalizers"' in value and bool(orjson.loads(value)["metadata"].get("finalizers"))
