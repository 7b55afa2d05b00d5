"""The node ports of one write: taken as the service is looked at, given back as the write ends.

Follows pkg/registry/core/service/portallocator/operation.go and initNodePorts, updateNodePorts and
updateHealthCheckNodePort in pkg/registry/core/service/storage/alloc.go.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.api.fields import at, invalid
from pybernetes.apiserver.allocators import AlreadyAllocated, NotInRange, PortAllocator, RangeFull
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.service_rules import (
    allocates_node_ports,
    may_have_node_ports,
    needs_health_check_port,
)

_PAST_THE_RANGE = 32768
"""A dry run shows numbers from the one after it on."""


class PortClaims:
    """What one write takes and gives back; a dry run takes nothing."""

    def __init__(self, allocator: PortAllocator, *, dry_run: bool) -> None:
        self._allocator = allocator
        self._dry_run = dry_run
        self._taken: list[int] = []
        self._released: list[int] = []

    def take(self, port: int) -> None:
        """Raises AlreadyAllocated and NotInRange."""
        if not self._dry_run:
            self._allocator.allocate(port)
        elif port in self._taken or self._allocator.has(port):
            raise AlreadyAllocated("provided port is already allocated")
        self._taken.append(port)

    def pick(self) -> int:
        """Raises RangeFull."""
        port = self._example() if self._dry_run else self._allocator.pick()
        self._taken.append(port)
        return port

    def _example(self) -> int:
        return max(0, *self._taken) + 1 if self._taken else _PAST_THE_RANGE + 1

    def release_later(self, port: int) -> None:
        self._released.append(port)

    def confirm(self) -> None:
        for port in self._released:
            self._allocator.release(port)

    def cancel(self) -> None:
        if not self._dry_run:
            for port in self._taken:
                self._allocator.release(port)


def claim(new: Document, old: Document | None, claims: PortClaims) -> None:
    """Fills the node ports of ``new`` in. Raises ApiError."""
    try:
        if old is None:
            _claim_new(new, claims)
        else:
            _claim_changed(new, old, claims)
    except RangeFull as error:
        raise errors.internal_error(f"failed to allocate a nodePort: {error}") from error


def _claim_new(service: Document, claims: PortClaims) -> None:
    spec = service["spec"]
    if may_have_node_ports(spec):
        by_port: dict[int, int] = {}
        for index, port in enumerate(spec.get("ports") or ()):
            if not port.get("nodePort") and not allocates_node_ports(spec):
                continue
            _claim_one(service, index, by_port, claims)
    if needs_health_check_port(spec):
        _claim_health_check(spec, claims)


def _claim_one(service: Document, index: int, by_port: dict[int, int], claims: PortClaims) -> None:
    """TCP and UDP on the same port share a node port."""
    ports = service["spec"]["ports"]
    port = ports[index]
    known = by_port.get(port.get("port", 0))
    if known is None:
        asked = next((p["nodePort"] for p in ports if p.get("port") == port.get("port") and p.get("nodePort")), 0)
        if asked:
            _take(service, index, asked, claims)
        port["nodePort"] = by_port[port.get("port", 0)] = asked or claims.pick()
    elif not port.get("nodePort"):
        port["nodePort"] = known
    elif port["nodePort"] != known:
        _take(service, index, port["nodePort"], claims)


def _take(service: Document, index: int, port: int, claims: PortClaims) -> None:
    try:
        claims.take(port)
    except (AlreadyAllocated, NotInRange) as error:
        problem = invalid(at.spec.ports[index].nodePort, port, str(error))
        raise errors.invalid("", "Service", service["metadata"].get("name", ""), [problem]) from error


def _claim_changed(new: Document, old: Document, claims: PortClaims) -> None:
    before, after = old["spec"], new["spec"]
    held = _numbers(before)
    if may_have_node_ports(after):
        _claim_missing(new, held, claims)
        kept = _numbers(after)
        released = [port for port in held if port not in kept]
    else:
        released = held if may_have_node_ports(before) else []
    for port in released:
        claims.release_later(port)
    needed, needs = needs_health_check_port(before), needs_health_check_port(after)
    if needs and not needed:
        _claim_health_check(after, claims)
    elif needed and not needs:
        claims.release_later(before.get("healthCheckNodePort", 0))


def _claim_missing(service: Document, held: list[int], claims: PortClaims) -> None:
    spec = service["spec"]
    taken: set[int] = set()
    seen: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.get("ports") or ()):
        if not port.get("nodePort") and not allocates_node_ports(spec):
            continue
        if not port.get("nodePort"):
            port["nodePort"] = claims.pick()
        elif port["nodePort"] not in held and port["nodePort"] not in taken:
            _take(service, index, port["nodePort"], claims)
            taken.add(port["nodePort"])
        pair = (port.get("protocol", ""), port["nodePort"])
        if pair in seen:
            raise errors.ApiError(500, "", f"duplicate nodePort: {{{pair[0]} {pair[1]}}}")
        seen.add(pair)


def _claim_health_check(spec: Document, claims: PortClaims) -> None:
    asked = spec.get("healthCheckNodePort", 0)
    try:
        if asked:
            claims.take(asked)
        else:
            spec["healthCheckNodePort"] = claims.pick()
    except (AlreadyAllocated, NotInRange) as error:
        raise errors.internal_error(f"failed to allocate requested HealthCheck NodePort {asked}: {error}") from error
    except RangeFull as error:
        raise errors.internal_error(f"failed to allocate a HealthCheck NodePort 0: {error}") from error


def _numbers(spec: Document) -> list[int]:
    return [port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")]


def held_ports(service: Document) -> list[int]:
    """All that a stored service holds."""
    spec = service.get("spec") or {}
    check = spec.get("healthCheckNodePort", 0) if needs_health_check_port(spec) else 0
    return sorted({*_numbers(spec), *([check] if check else ())})
