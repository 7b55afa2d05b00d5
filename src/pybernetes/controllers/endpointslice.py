"""EndpointSlices: the addresses behind a Service in slices of at most 100, each endpoint with its conditions.

Guarantees
  Every pod with an address that a Service selects and that has not finished is in exactly one slice of the Service,
  with its ready, serving and terminating conditions. Endpoints stay in the slice they are in as long as they can.
  A Service without endpoints has one empty slice.
  Slices of other managers are left alone.
Follows staging/src/k8s.io/endpointslice (reconciler.go, utils.go) for IPv4 and IPv6 alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, discovery_v1, meta_v1
from pybernetes.client import Unreachable
from pybernetes.controllers.controller import DONE, OWNED, Controller, For, Maps, Owns, Reads, Requeue, Result
from pybernetes.controllers.expectations import TIMEOUT
from pybernetes.controllers.pods import is_ready
from pybernetes.controllers.service_pods import (
    HEADLESS_LABEL,
    Ports,
    is_headless,
    is_listed,
    pod_hostname,
    selects,
    services_of_pod,
    target_ports,
    target_reference,
)

MOST_ENDPOINTS = 100
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
MANAGER = "endpointslice-controller.k8s.io"
ZONE = "topology.kubernetes.io/zone"
_RESERVED_LABELS = frozenset((SERVICE_NAME, MANAGED_BY, HEADLESS_LABEL))

Group = tuple[str, Ports]
"""Address type and ports: what all endpoints of a slice have in common."""


@dataclass(frozen=True, slots=True)
class Plan:
    create: tuple[discovery_v1.EndpointSlice, ...] = ()
    update: tuple[discovery_v1.EndpointSlice, ...] = ()
    delete: tuple[discovery_v1.EndpointSlice, ...] = ()


@dataclass(slots=True)
class _Draft:
    """A slice being filled: an existing one, or a new one."""

    existing: discovery_v1.EndpointSlice | None
    endpoints: list[discovery_v1.Endpoint] = field(default_factory=list)

    @property
    def room(self) -> int:
        return MOST_ENDPOINTS - len(self.endpoints)


def plan(
    service: core_v1.Service,
    pods: Iterable[core_v1.Pod],
    slices: Sequence[discovery_v1.EndpointSlice],
    zones: Mapping[str, str],
) -> Plan:
    """`slices` are the Service's own of this manager; `zones` names the zone of each node that has one."""
    wanted = _wanted(service, pods, zones)
    drafts: list[tuple[Group, _Draft]] = []
    for group in sorted({*wanted, *map(_group_of, slices)}, key=repr):
        own = [one for one in slices if _group_of(one) == group]
        drafts += [(group, draft) for draft in _distribute(wanted.get(group, {}), own)]
    if not any(draft.endpoints for _, draft in drafts):
        return _placeholder(service, slices)
    create, update, delete = [], [], []
    for group, draft in drafts:
        if draft.existing is None:
            create.append(_slice(service, group, draft.endpoints))
        elif not draft.endpoints:
            delete.append(draft.existing)
        elif (changed := _changed(service, draft)) is not None:
            update.append(changed)
    return Plan(tuple(create), tuple(update), tuple(delete))


def _wanted(
    service: core_v1.Service, pods: Iterable[core_v1.Pod], zones: Mapping[str, str]
) -> dict[Group, dict[str, discovery_v1.Endpoint]]:
    """By group and address."""
    families = service.spec.ip_families or ["IPv4"]
    wanted: dict[Group, dict[str, discovery_v1.Endpoint]] = {}
    for pod in sorted(pods, key=lambda one: (one.metadata.creation_timestamp is None, one.metadata.name)):
        if not is_listed(pod, terminating=True):
            continue
        ports = tuple(sorted(target_ports(service, pod), key=repr))
        if service.spec.ports and not ports:
            continue
        for address in [one.ip for one in pod.status.pod_ips] or [pod.status.pod_ip]:
            family = f"IPv{ip_address(address).version}"
            if family in families:
                endpoint = _endpoint(service, pod, address, zones)
                wanted.setdefault((family, ports), {})[address] = endpoint
    return wanted


def _endpoint(
    service: core_v1.Service, pod: core_v1.Pod, address: str, zones: Mapping[str, str]
) -> discovery_v1.Endpoint:
    ready, terminating = is_ready(pod), pod.metadata.deletion_timestamp is not None
    node = pod.spec.node_name
    return discovery_v1.Endpoint(
        addresses=[address],
        conditions=discovery_v1.EndpointConditions(
            ready=service.spec.publish_not_ready_addresses or (ready and not terminating),
            serving=ready,
            terminating=terminating,
        ),
        hostname=pod_hostname(service, pod) or None,
        target_ref=target_reference(pod),
        node_name=node or None,
        zone=zones.get(node),
    )


def _group_of(one: discovery_v1.EndpointSlice) -> Group:
    ports = [(port.name or "", port.port or 0, port.protocol or "TCP", port.app_protocol) for port in one.ports]
    return one.address_type, tuple(sorted(ports, key=repr))


def _distribute(
    wanted: Mapping[str, discovery_v1.Endpoint], slices: Sequence[discovery_v1.EndpointSlice]
) -> list[_Draft]:
    """Endpoints stay where they are; new ones fill the fullest slices that have room, then new slices."""
    left = dict(wanted)
    drafts = []
    for one in slices:
        addresses = [endpoint.addresses[0] for endpoint in one.endpoints if endpoint.addresses]
        drafts.append(_Draft(one, [left.pop(address) for address in addresses if address in left]))
    homeless = list(left.values())
    for draft in sorted(drafts, key=lambda one: one.room):
        taken = homeless[: draft.room] if draft.endpoints else []
        draft.endpoints += taken
        homeless = homeless[len(taken) :]
    for draft in drafts:
        if not draft.endpoints and homeless:
            draft.endpoints, homeless = homeless[:MOST_ENDPOINTS], homeless[MOST_ENDPOINTS:]
    while homeless:
        drafts.append(_Draft(None, homeless[:MOST_ENDPOINTS]))
        homeless = homeless[MOST_ENDPOINTS:]
    return drafts


def _placeholder(service: core_v1.Service, slices: Sequence[discovery_v1.EndpointSlice]) -> Plan:
    """One empty slice says that there is nothing, rather than that nobody has looked."""
    family = (service.spec.ip_families or ["IPv4"])[0]
    empty = [one for one in slices if not one.endpoints and not one.ports and one.address_type == family]
    others = tuple(one for one in slices if one not in empty[:1])
    if not empty:
        return Plan(create=(_slice(service, (family, ()), []),), delete=others)
    changed = _changed(service, _Draft(empty[0]))
    return Plan(update=(changed,) if changed is not None else (), delete=others)


def _slice(
    service: core_v1.Service, group: Group, endpoints: list[discovery_v1.Endpoint]
) -> discovery_v1.EndpointSlice:
    address_type, ports = group
    return discovery_v1.EndpointSlice(
        metadata=meta_v1.ObjectMeta(
            generate_name=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=_labels(service),
            owner_references=[meta.owner_reference(service, controller=True)],
        ),
        address_type=address_type,
        endpoints=endpoints,
        ports=[
            discovery_v1.EndpointPort(name=name, port=number, protocol=protocol, app_protocol=application)
            for name, number, protocol, application in ports
        ],
    )


def _changed(service: core_v1.Service, draft: _Draft) -> discovery_v1.EndpointSlice | None:
    """The existing slice with its new content; None when it has it already."""
    existing = draft.existing
    assert existing is not None
    metadata = msgspec.structs.replace(existing.metadata, labels=_labels(service))
    if draft.endpoints == existing.endpoints and metadata.labels == existing.metadata.labels:
        return None
    return msgspec.structs.replace(existing, metadata=metadata, endpoints=draft.endpoints)


def _labels(service: core_v1.Service) -> dict[str, str]:
    labels = {key: value for key, value in service.metadata.labels.items() if key not in _RESERVED_LABELS}
    if is_headless(service):
        labels[HEADLESS_LABEL] = ""
    return {**labels, SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}


class EndpointSliceController(Controller):
    name = "endpointslice-controller"
    watches = (
        For(core_v1.Service),
        Owns(discovery_v1.EndpointSlice),
        Maps(core_v1.Pod, services_of_pod),
        Reads(core_v1.Node),
    )

    async def reconcile(self, key: Key) -> Result:
        service: core_v1.Service | None = self.informer(core_v1.Service).get(key)
        if service is None:
            self.expectations.forget(key)
            return DONE
        if not service.spec.selector or service.spec.type == "ExternalName":
            return DONE
        if not self.expectations.satisfied(key):
            return Requeue(TIMEOUT)
        pods = [one for one in self.informer(core_v1.Pod).list(key.namespace) if selects(service, one)]
        slices = [
            one
            for one in self.informer(discovery_v1.EndpointSlice).by_index(OWNED, service.metadata.uid)
            if one.metadata.labels.get(MANAGED_BY) == MANAGER and one.metadata.deletion_timestamp is None
        ]
        await self._apply(key, plan(service, pods, slices, self._zones()))
        return DONE

    def _zones(self) -> dict[str, str]:
        nodes: list[core_v1.Node] = self.informer(core_v1.Node).list()
        return {one.metadata.name: zone for one in nodes if (zone := one.metadata.labels.get(ZONE))}

    async def _apply(self, key: Key, planned: Plan) -> None:
        self.expectations.expect_creations(key, len(planned.create))
        for made, one in enumerate(planned.create):
            try:
                await self.client.create(one)
            except (ApiError, Unreachable):
                self.expectations.creation_observed(key, len(planned.create) - made)
                raise
        for one in planned.update:
            await self.client.update(one)
        for one in planned.delete:
            await self._delete(one)

    async def _delete(self, one: discovery_v1.EndpointSlice) -> None:
        try:
            await self.client.delete(
                discovery_v1.EndpointSlice, one.metadata.name, one.metadata.namespace, uid=one.metadata.uid
            )
        except ApiError as error:
            if error.code != 404:
                raise
