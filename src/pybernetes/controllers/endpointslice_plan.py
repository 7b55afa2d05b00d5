"""EndpointSlices of a Service, decided: which endpoints, in which slices, with the fewest writes.

Follows staging/src/k8s.io/endpointslice (reconciler.go, utils.go).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import core_v1, discovery_v1, meta_v1
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers import topology_hints
from pybernetes.controllers.endpoint_slices import (
    MANAGED_BY,
    MOST_ENDPOINTS,
    RESERVED_LABELS,
    SERVICE_NAME,
    Endpoint,
    Slice,
    SliceChanges,
    identity,
    is_up_to_date,
    ports_key,
    recycled,
)
from pybernetes.controllers.pods import is_ready
from pybernetes.controllers.service_pods import (
    HEADLESS_LABEL,
    is_listed,
    pod_hostname,
    target_ports,
    target_reference,
)
from pybernetes.controllers.topology_hints import CannotSpread, Shares, Slices

MANAGER = "endpointslice-controller.k8s.io"
_TOPOLOGY_ANNOTATIONS = ("service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode")
_DISTRIBUTIONS = frozenset(("PreferClose", "PreferSameZone", "PreferSameNode"))

Event = tuple[str, str, str]
"""Type, reason and message."""


@dataclass(frozen=True, slots=True)
class Plan:
    changes: SliceChanges = SliceChanges()
    events: tuple[Event, ...] = ()
    spread: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By address type: how many endpoints each zone got, where the topology decides that."""
    skipped: tuple[str, ...] = ()
    """Pods that are left out because their node is not known: they have to be looked at again."""


@dataclass(frozen=True, slots=True)
class Topology:
    """What is known of the cluster around a Service's pods."""

    zones: Mapping[str, str] = field(default_factory=dict)
    """The zone of each node that exists, empty for one without."""
    shares: Shares = field(default_factory=dict)
    was_spread: bool = False
    """Whether the Service's slices had hints by the topology before."""


def wants_spread(service: core_v1.Service) -> bool:
    annotations = service.metadata.annotations
    stated = next((annotations[key] for key in _TOPOLOGY_ANNOTATIONS if key in annotations), "")
    return stated in ("Auto", "auto")


def plan(service: core_v1.Service, pods: Sequence[core_v1.Pod], slices: Sequence[Slice], topology: Topology) -> Plan:
    """`slices` are those that are labelled as the Service's and this manager's."""
    families = _families(service)
    foreign = tuple(one for one in slices if one.address_type not in families)
    published = [one for one in pods if is_listed(one, terminating=True)]
    publishes_all = service.spec.publish_not_ready_addresses
    placed = [one for one in published if publishes_all or one.spec.node_name in topology.zones]
    names = {one.metadata.name for one in placed}
    skipped = tuple(one.metadata.name for one in published if one.metadata.name not in names)
    create: list[Slice] = []
    update: list[Slice] = []
    delete: list[Slice] = []
    events: list[Event] = []
    spread: dict[str, Mapping[str, int]] = {}
    is_spread = topology.was_spread
    for family in families:
        own = [one for one in slices if one.address_type == family]
        packed, gone = _packed(service, placed, own, family, topology.zones)
        hinted, told, by_zone = _hinted(service, packed, family, topology.shares, is_spread)
        is_spread = bool(by_zone)
        if by_zone:
            spread[family] = by_zone
        events += told
        reused = recycled(hinted.create, gone, reusable=lambda one: _is_owned(one, service))
        if service.metadata.deletion_timestamp is None:
            create += reused.create
        update += (*hinted.update, *reused.update)
        delete += reused.delete
    changes = SliceChanges(tuple(create), tuple(update), (*delete, *foreign))
    return Plan(changes, tuple(events), spread, skipped)


def _families(service: core_v1.Service) -> Sequence[str]:
    spec = service.spec
    if spec.ip_families:
        return spec.ip_families
    if spec.cluster_ip and spec.cluster_ip != "None":
        return [f"IPv{ip_address(spec.cluster_ip).version}"]
    return ["IPv4", "IPv6"]


def _hinted(
    service: core_v1.Service, slices: Slices, family: str, shares: Shares, was_spread: bool
) -> tuple[Slices, list[Event], Mapping[str, int]]:
    def told(type: str, reason: str, message: str) -> list[Event]:
        return [(type, reason, f"{message}, addressType: {family}")]

    distribution = service.spec.traffic_distribution or ""
    if wants_spread(service):
        try:
            done = topology_hints.spread(slices, shares)
        except CannotSpread as error:
            events = told(WARNING, "TopologyAwareHintsDisabled", str(error))
            return topology_hints.without_hints(slices), events, {}
        events = [] if was_spread else told(NORMAL, "TopologyAwareHintsEnabled", topology_hints.ENABLED)
        return done.slices, events, done.by_zone
    events = told(WARNING, "TopologyAwareHintsDisabled", topology_hints.DISABLED) if was_spread else []
    if distribution in _DISTRIBUTIONS:
        return topology_hints.close_hints(distribution, slices), events, {}
    return topology_hints.without_hints(slices), events, {}


@dataclass(slots=True)
class _Group:
    """Endpoints that have the same ports."""

    ports: list[discovery_v1.EndpointPort]
    endpoints: dict[Hashable, Endpoint] = field(default_factory=dict)


def _packed(
    service: core_v1.Service,
    pods: Iterable[core_v1.Pod],
    slices: Sequence[Slice],
    family: str,
    zones: Mapping[str, str],
) -> tuple[Slices, list[Slice]]:
    """The slices of a family, and those that are to go."""
    wanted = _wanted(service, pods, family, zones)
    owned: dict[Hashable, list[Slice]] = {}
    gone: list[Slice] = []
    for one in slices:
        if _is_owned(one, service):
            owned.setdefault(ports_key(one.ports), []).append(one)
        else:
            gone.append(one)
    create: list[Slice] = []
    update: list[Slice] = []
    for key, group in wanted.items():
        made, changed, emptied = _pack(service, owned.get(key, ()), group, family)
        create += made
        update += changed
        gone += emptied
    gone += [one for key, group_slices in owned.items() if key not in wanted for one in group_slices]
    if len(gone) == len(slices) and not create:
        placeholder = _new_slice(service, _Group([]), family)
        if len(gone) == 1 and _is_same_placeholder(gone[0], placeholder):
            gone = []
        else:
            create = [placeholder]
    touched = {one.metadata.name for one in (*update, *gone)}
    unchanged = tuple(one for one in slices if one.metadata.name not in touched)
    return Slices(tuple(create), tuple(update), unchanged), gone


def _wanted(
    service: core_v1.Service, pods: Iterable[core_v1.Pod], family: str, zones: Mapping[str, str]
) -> dict[Hashable, _Group]:
    groups: dict[Hashable, _Group] = {}
    for pod in pods:
        ports = [
            discovery_v1.EndpointPort(name=name, port=number, protocol=protocol, app_protocol=application)
            for name, number, protocol, application in target_ports(service, pod)
        ]
        group = groups.setdefault(ports_key(ports), _Group(ports))
        endpoint = _endpoint(service, pod, family, zones)
        if endpoint.addresses:
            group.endpoints[identity(endpoint)] = endpoint
    return groups


def _endpoint(service: core_v1.Service, pod: core_v1.Pod, family: str, zones: Mapping[str, str]) -> Endpoint:
    ready, terminating = is_ready(pod), pod.metadata.deletion_timestamp is not None
    node = pod.spec.node_name
    addresses = [_canonical(one.ip) for one in pod.status.pod_ips]
    return Endpoint(
        addresses=[address for of_family, address in addresses if of_family == family],
        conditions=discovery_v1.EndpointConditions(
            ready=service.spec.publish_not_ready_addresses or (ready and not terminating),
            serving=ready,
            terminating=terminating,
        ),
        hostname=pod_hostname(service, pod) or None,
        target_ref=target_reference(pod),
        node_name=node or None,
        zone=zones.get(node) or None,
    )


@lru_cache(maxsize=65536)
def _canonical(address: str) -> tuple[str, str]:
    """Its family, and how it is written."""
    ip = ip_address(address)
    return f"IPv{ip.version}", str(ip)


def _pack(
    service: core_v1.Service, slices: Iterable[Slice], group: _Group, family: str
) -> tuple[list[Slice], list[Slice], list[Slice]]:
    """What to create, update and delete: endpoints stay where they are, new ones go into slices that are written
    anyway, the rest into the one slice it fills best, or into new ones."""
    left = dict(group.endpoints)
    labels = labels_of(service)
    update: list[Slice] = []
    unchanged: list[Slice] = []
    emptied: list[Slice] = []
    for one in slices:
        kept = [left.pop(key) for endpoint in one.endpoints if (key := identity(endpoint)) in left]
        same = len(kept) == len(one.endpoints) and all(map(is_up_to_date, one.endpoints, kept))
        if same and _own_labels(one) == _own_labels(service):
            unchanged.append(one)
        elif not kept and one.endpoints:
            emptied.append(one)
        else:
            update.append(_with(one, list(one.endpoints) if same else kept, labels))
    homeless = list(left.values())
    filled: list[Slice] = []
    for one in sorted(update, key=lambda each: -len(each.endpoints)):
        filled.append(_with(one, [*one.endpoints, *_take(homeless, MOST_ENDPOINTS - len(one.endpoints))], labels))
    create: list[Slice] = []
    while homeless:
        best = _best_fit(unchanged, len(homeless))
        if best is not None:
            unchanged.remove(best)
            filled.append(_with(best, [*best.endpoints, *_take(homeless, len(homeless))], labels))
        else:
            create.append(_with(_new_slice(service, group, family), _take(homeless, MOST_ENDPOINTS), labels))
    return create, filled, emptied


def _take(endpoints: list[Endpoint], count: int) -> list[Endpoint]:
    taken = endpoints[:count]
    del endpoints[:count]
    return taken


def _best_fit(slices: Iterable[Slice], count: int) -> Slice | None:
    """The slice that so many endpoints leave the least room in."""
    fitting = [one for one in slices if len(one.endpoints) + count <= MOST_ENDPOINTS]
    return max(fitting, key=lambda one: len(one.endpoints), default=None) if count < MOST_ENDPOINTS else None


def _with(one: Slice, endpoints: list[Endpoint], labels: dict[str, str]) -> Slice:
    metadata = msgspec.structs.replace(one.metadata, labels=labels)
    return msgspec.structs.replace(one, metadata=metadata, endpoints=endpoints)


def _new_slice(service: core_v1.Service, group: _Group, family: str) -> Slice:
    return Slice(
        metadata=meta_v1.ObjectMeta(
            generate_name=f"{service.metadata.name}-",
            namespace=service.metadata.namespace,
            labels=labels_of(service),
            owner_references=[meta.owner_reference(service, controller=True)],
        ),
        address_type=family,
        ports=group.ports,
    )


def _is_same_placeholder(present: Slice, placeholder: Slice) -> bool:
    if present.endpoints or present.ports:
        return False
    old, new = present.metadata, placeholder.metadata
    return (old.labels, old.owner_references) == (new.labels, new.owner_references)


def _is_owned(one: Slice, service: core_v1.Service) -> bool:
    return any(
        (owner.uid, owner.kind, owner.api_version) == (service.metadata.uid, "Service", "v1")
        for owner in one.metadata.owner_references
    )


def _own_labels(value: meta.Object) -> dict[str, str]:
    return {key: text for key, text in value.metadata.labels.items() if key not in RESERVED_LABELS}


def labels_of(service: core_v1.Service) -> dict[str, str]:
    labels = _own_labels(service)
    if service.spec.cluster_ip in ("", "None"):
        labels[HEADLESS_LABEL] = ""
    return {**labels, SERVICE_NAME: service.metadata.name, MANAGED_BY: MANAGER}
