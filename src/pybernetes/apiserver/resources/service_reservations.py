"""The addresses and node ports of services.

Guarantees  An address or a port is held by at most one service. The services in the store are the truth: after a
            start, what they carry is taken; what was taken for a write that failed is free again.

Follows pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import FieldPath, at, invalid
from pybernetes.apiserver.allocators import AlreadyAllocated, IPAllocator, NotInRange, PortAllocator, RangeFull
from pybernetes.apiserver.resource import Context, Document, Facilities, Reservation
from pybernetes.apiserver.resources.service_rules import (
    HEADLESS,
    is_headless,
    needs_cluster_ip,
    needs_health_check_port,
    needs_node_port,
)

_PREFIX = "/registry/services/specs/"
log = logging.getLogger(__name__)


@dataclass(slots=True)
class ServiceReservation:
    """What was taken for a write, and what the write gives back."""

    undo: list[Callable[[], None]] = field(default_factory=list)
    done: list[Callable[[], None]] = field(default_factory=list)

    def confirm(self) -> None:
        for give_back in self.done:
            give_back()

    def cancel(self) -> None:
        for give_back in self.undo:
            give_back()


class ServiceReservations:
    def __init__(self, facilities: Facilities) -> None:
        options = facilities.options
        self._store = facilities.store
        self.addresses = IPAllocator(options.service_cidr, facilities.random)
        self.ports = PortAllocator(*options.node_port_range, facilities.random)

    async def start(self) -> None:
        found = await self._store.range(_PREFIX)
        for entry in found.entries:
            service = orjson.loads(entry.value)
            for address in _addresses(service):
                try:
                    self.addresses.allocate(address)
                except (AlreadyAllocated, NotInRange) as error:
                    log.warning("%s: address %s is not usable: %s", entry.key, address, error)
            for port in _node_ports(service):
                try:
                    self.ports.allocate(port)
                except (AlreadyAllocated, NotInRange) as error:
                    log.warning("%s: node port %s is not usable: %s", entry.key, port, error)

    async def reserve(self, new: Document, old: Document | None, context: Context) -> Reservation:
        reservation = ServiceReservation()
        try:
            self._reserve_addresses(new, old, reservation)
            self._reserve_ports(new, old, reservation)
        except errors.ApiError:
            reservation.cancel()
            raise
        except RangeFull as error:
            reservation.cancel()
            raise errors.internal_error(f"failed to allocate a serviceIP or nodePort: {error}") from error
        if old is not None:
            self._give_back(new, old, reservation)
        return reservation

    def release(self, old: Document) -> None:
        for address in _addresses(old):
            self.addresses.release(address)
        for port in _node_ports(old):
            self.ports.release(port)

    def _reserve_addresses(self, new: Document, old: Document | None, reservation: ServiceReservation) -> None:
        spec = new["spec"]
        if not needs_cluster_ip(spec):
            return
        self._settle_families(new)
        if is_headless(spec):
            spec["clusterIP"], spec["clusterIPs"] = HEADLESS, [HEADLESS]
            return
        held = _addresses(old) if old is not None else ()
        asked = spec.get("clusterIPs") or ([spec["clusterIP"]] if spec.get("clusterIP") else [])
        for address in asked:
            if address not in held:
                self._take_address(address, new, asked)
                reservation.undo.append(lambda address=address: self.addresses.release(address))  # type: ignore[misc]
        if not asked:
            address = self.addresses.pick()
            reservation.undo.append(lambda: self.addresses.release(address))
            asked = [address]
        spec["clusterIP"], spec["clusterIPs"] = asked[0], asked

    def _take_address(self, address: str, service: Document, asked: list[str]) -> None:
        try:
            self.addresses.allocate(address)
        except (AlreadyAllocated, NotInRange) as error:
            raise _refuse(service, at.spec.clusterIPs, asked, f"failed to allocate IP {address}: {error}") from error

    def _settle_families(self, service: Document) -> None:
        """The cluster has one address family."""
        spec, family = service["spec"], self.addresses.family
        other = "IPv6" if family == "IPv4" else "IPv4"
        if is_headless(spec) and not spec.get("selector"):
            policy = spec.setdefault("ipFamilyPolicy", "RequireDualStack")
            families = spec.get("ipFamilies") or [family]
            if policy != "SingleStack" and len(families) == 1:
                families = [*families, other if families[0] == family else family]
            spec["ipFamilies"] = families
            return
        if spec.setdefault("ipFamilyPolicy", "SingleStack") == "RequireDualStack":
            message = "this cluster is not configured for dual-stack services"
            raise _refuse(service, at.spec.ipFamilyPolicy, "RequireDualStack", message)
        families = spec.setdefault("ipFamilies", [family])
        for index, asked in enumerate(families):
            if asked != family:
                raise _refuse(service, at.spec.ipFamilies[index], asked, "not configured on this cluster")

    def _reserve_ports(self, new: Document, old: Document | None, reservation: ServiceReservation) -> None:
        spec = new["spec"]
        held = set(_node_ports(old)) if old is not None else set()
        own = set(held)
        if needs_node_port(spec):
            by_port: dict[int, int] = {}
            picks = spec.get("type") != "LoadBalancer" or spec.get("allocateLoadBalancerNodePorts", True)
            for index, port in enumerate(spec.get("ports", ())):
                shared = by_port.get(port["port"])
                if not port.get("nodePort"):
                    if shared is None and not picks:
                        continue
                    port["nodePort"] = shared or _asked_later(spec, port["port"]) or self._pick_port(own, reservation)
                self._take_port(port["nodePort"], own, new, at.spec.ports[index].nodePort, reservation)
                by_port.setdefault(port["port"], port["nodePort"])
        if needs_health_check_port(spec):
            if spec.get("healthCheckNodePort"):
                self._take_port(spec["healthCheckNodePort"], own, new, at.spec.healthCheckNodePort, reservation)
            else:
                spec["healthCheckNodePort"] = self._pick_port(own, reservation)

    def _pick_port(self, own: set[int], reservation: ServiceReservation) -> int:
        port = self.ports.pick()
        own.add(port)
        reservation.undo.append(lambda: self.ports.release(port))
        return port

    def _take_port(
        self, port: int, own: set[int], service: Document, path: FieldPath, reservation: ServiceReservation
    ) -> None:
        if port in own:
            return
        try:
            self.ports.allocate(port)
        except (AlreadyAllocated, NotInRange) as error:
            raise _refuse(service, path, port, str(error)) from error
        own.add(port)
        reservation.undo.append(lambda: self.ports.release(port))

    def _give_back(self, new: Document, old: Document, reservation: ServiceReservation) -> None:
        for address in set(_addresses(old)) - set(_addresses(new)):
            reservation.done.append(lambda address=address: self.addresses.release(address))  # type: ignore[misc]
        for port in set(_node_ports(old)) - set(_node_ports(new)):
            reservation.done.append(lambda port=port: self.ports.release(port))  # type: ignore[misc]


def _asked_later(spec: Document, number: int) -> int:
    """The node port that another row with the same port asks for: TCP and UDP share one."""
    return next((p["nodePort"] for p in spec.get("ports", ()) if p["port"] == number and p.get("nodePort")), 0)


def _addresses(service: Document) -> list[str]:
    spec = service.get("spec") or {}
    if not needs_cluster_ip(spec):
        return []
    return [address for address in spec.get("clusterIPs") or [spec.get("clusterIP")] if address and address != HEADLESS]


def _node_ports(service: Document) -> list[int]:
    spec = service.get("spec") or {}
    ports = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        ports.add(spec["healthCheckNodePort"])
    return sorted(ports)


def _refuse(service: Document, path: FieldPath, value: object, message: str) -> errors.ApiError:
    return errors.invalid("", "Service", service["metadata"].get("name", ""), [invalid(path, value, message)])
