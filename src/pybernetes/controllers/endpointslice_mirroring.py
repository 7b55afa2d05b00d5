"""EndpointSlice mirroring: Endpoints that somebody wrote by hand for a Service without a selector, as slices.

Guarantees
  Each subset has one slice for each address family, of at most 1,000 endpoints, with the labels and annotations of the
  Endpoints. What cannot be mirrored is told in events.
  Endpoints labelled endpointslice.kubernetes.io/skip-mirror, or used for leader election, have no slices here; neither
  have those whose Service is gone or has a selector.
Follows pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import msgspec

from pybernetes.api import meta
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, discovery_v1, meta_v1
from pybernetes.client.events import WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Owns, Requeue, Result
from pybernetes.controllers.endpoint_slices import (
    MANAGED_BY,
    OF_SERVICE,
    SERVICE_NAME,
    Endpoint,
    Slice,
    SliceChanges,
    identity,
    is_up_to_date,
    keys_managed_by,
    ports_key,
    recycled,
    service_of,
    slices_of,
    write,
)
from pybernetes.controllers.expectations import TIMEOUT
from pybernetes.controllers.service_pods import service_of_name
from pybernetes.controllers.trigger_times import LAST_CHANGE

MANAGER = "endpointslicemirroring-controller.k8s.io"
MOST_MIRRORED = 1000
SKIP_LABEL = "endpointslice.kubernetes.io/skip-mirror"
LEADER_ANNOTATION = "control-plane.alpha.kubernetes.io/leader"
_NOT_COPIED = (LAST_CHANGE, "kubectl.kubernetes.io/last-applied-configuration")
_FAMILIES = ("IPv4", "IPv6")

Event = tuple[str, str]
"""Reason and message."""


@dataclass(frozen=True, slots=True)
class Plan:
    changes: SliceChanges
    events: tuple[Event, ...] = ()


@dataclass(slots=True)
class _Group:
    """Endpoints of one family that have the same ports."""

    family: str
    ports: list[discovery_v1.EndpointPort]
    endpoints: dict[Hashable, Endpoint] = field(default_factory=dict)


def is_mirrored(endpoints: core_v1.Endpoints) -> bool:
    """Whether the Endpoints themselves allow it."""
    metadata = endpoints.metadata
    return metadata.labels.get(SKIP_LABEL) != "true" and LEADER_ANNOTATION not in metadata.annotations


def plan(endpoints: core_v1.Endpoints, slices: Sequence[Slice]) -> Plan:
    """`slices` are those that mirror Endpoints of this name."""
    groups, events = _wanted(endpoints)
    present: dict[Hashable, list[Slice]] = {}
    for one in slices:
        present.setdefault((one.address_type, ports_key(one.ports)), []).append(one)
    create: list[Slice] = []
    update: list[Slice] = []
    delete = [one for key, some in present.items() if key not in groups for one in some]
    for key, group in groups.items():
        existing = present.get(key, [])
        if not group.endpoints:
            delete += existing
            continue
        delete += existing[1:]
        if not existing:
            create.append(_slice(endpoints, group))
        elif not _is_mirror(existing[0], endpoints, group):
            update.append(_over(existing[0], _slice(endpoints, group)))
    reused = recycled(create, delete, reusable=lambda one: True)
    created = reused.create if endpoints.metadata.deletion_timestamp is None else ()
    return Plan(SliceChanges(created, (*update, *reused.update), reused.delete), tuple(events))


def _wanted(endpoints: core_v1.Endpoints) -> tuple[dict[Hashable, _Group], list[Event]]:
    groups: dict[Hashable, _Group] = {}
    invalid = skipped = 0
    for subset in endpoints.subsets:
        ports = [
            discovery_v1.EndpointPort(
                name=one.name, port=one.port, protocol=one.protocol or "TCP", app_protocol=one.app_protocol
            )
            for one in subset.ports
        ]
        for family in _FAMILIES:
            groups.setdefault((family, ports_key(ports)), _Group(family, ports))
        added = 0
        for address, ready in _addresses(subset):
            if added >= MOST_MIRRORED:
                break
            endpoint = _endpoint(address, ready)
            if endpoint is None:
                invalid += 1
                continue
            family = f"IPv{ip_address(endpoint.addresses[0]).version}"
            groups[family, ports_key(ports)].endpoints[identity(endpoint)] = endpoint
            added += 1
        skipped += len(subset.addresses) + len(subset.not_ready_addresses) - added
    return groups, _events(invalid, skipped)


def _events(invalid: int, skipped: int) -> list[Event]:
    events = []
    if invalid:
        message = f"Skipped {invalid} invalid IP addresses when mirroring to EndpointSlices"
        events.append(("InvalidIPAddress", message))
    if skipped > invalid:
        message = (
            f"A max of {MOST_MIRRORED} addresses can be mirrored to EndpointSlices per Endpoints subset. "
            f"{skipped} addresses were skipped"
        )
        events.append(("TooManyAddressesToMirror", message))
    return events


def _addresses(subset: core_v1.EndpointSubset) -> Iterable[tuple[core_v1.EndpointAddress, bool]]:
    yield from ((one, True) for one in subset.addresses)
    yield from ((one, False) for one in subset.not_ready_addresses)


def _endpoint(address: core_v1.EndpointAddress, ready: bool) -> Endpoint | None:
    try:
        ip = ip_address(address.ip)
    except ValueError:
        return None
    return Endpoint(
        addresses=[str(ip)],
        conditions=discovery_v1.EndpointConditions(ready=ready),
        hostname=address.hostname or None,
        node_name=address.node_name,
        target_ref=address.target_ref,
    )


def _is_mirror(one: Slice, endpoints: core_v1.Endpoints, group: _Group) -> bool:
    present = {identity(endpoint): endpoint for endpoint in one.endpoints}
    if present.keys() != group.endpoints.keys():
        return False
    if not all(is_up_to_date(present[key], endpoint) for key, endpoint in group.endpoints.items()):
        return False
    wanted = _slice(endpoints, group).metadata
    return (one.metadata.labels, one.metadata.annotations, one.metadata.owner_references) == (
        wanted.labels,
        wanted.annotations,
        wanted.owner_references,
    )


def _slice(endpoints: core_v1.Endpoints, group: _Group) -> Slice:
    metadata = endpoints.metadata
    return Slice(
        metadata=meta_v1.ObjectMeta(
            generate_name=f"{metadata.name}-",
            namespace=metadata.namespace,
            labels={**metadata.labels, SERVICE_NAME: metadata.name, MANAGED_BY: MANAGER},
            annotations={key: text for key, text in metadata.annotations.items() if key not in _NOT_COPIED},
            owner_references=[meta.owner_reference(endpoints, controller=True)],
        ),
        address_type=group.family,
        ports=group.ports,
        endpoints=list(group.endpoints.values())[:MOST_MIRRORED],
    )


def _over(present: Slice, new: Slice) -> Slice:
    old = present.metadata
    metadata = msgspec.structs.replace(
        new.metadata, generate_name="", name=old.name, uid=old.uid, resource_version=old.resource_version
    )
    return msgspec.structs.replace(new, metadata=metadata)


class EndpointSliceMirroringController(Controller):
    name = "endpointslice-mirroring-controller"
    component = "endpoint-slice-mirroring-controller"
    watches = (
        For(core_v1.Endpoints),
        Owns(discovery_v1.EndpointSlice),
        Maps(discovery_v1.EndpointSlice, keys_managed_by(MANAGER)),
        Maps(core_v1.Service, service_of_name),
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.informer(discovery_v1.EndpointSlice).add_index(OF_SERVICE, service_of)

    async def reconcile(self, key: Key) -> Result:
        endpoints: core_v1.Endpoints | None = self.informer(core_v1.Endpoints).get(key)
        service: core_v1.Service | None = self.informer(core_v1.Service).get(key)
        slices = slices_of(self, MANAGER, key)
        if endpoints is None or service is None or service.spec.selector or not is_mirrored(endpoints):
            self.expectations.forget(key)
            await write(self, key, SliceChanges(delete=tuple(slices)))
            return DONE
        if not self.expectations.satisfied(key):
            return Requeue(TIMEOUT)
        planned = plan(endpoints, slices)
        for reason, message in planned.events:
            self.recorder.event(endpoints, WARNING, reason, message)
        await write(self, key, planned.changes)
        return DONE
