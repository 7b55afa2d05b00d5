"""PodInfo: what the scheduler needs of a pod, worked out once when the pod is first seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from pybernetes.api import quantity, storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.resource_names import HUGEPAGES
from pybernetes.scheduler.affinity import InterPodTerms, parse_inter_pod_terms

DEFAULT_SCHEDULER = "default-scheduler"
DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What scoring takes a container for that asks for nothing (upstream's non-zero requests)."""
MOST_TEMPLATES = 1024
_LEAST_SCORED = {"cpu": DEFAULT_MILLI_CPU, "memory": DEFAULT_MEMORY}
_NOTHING: Mapping[str, int] = {}
_NOTHING_GRANTED: Mapping[str, Mapping[str, int]] = {}


class HostPort(NamedTuple):
    protocol: str
    port: int
    address: str


class PodInfo(msgspec.Struct, frozen=True, gc=False):
    """Amounts are thousandths of a CPU, bytes, and whole numbers for all other resources."""

    pod: core_v1.Pod
    key: Key
    requests: Mapping[str, int]
    scored_cpu: int
    scored_memory: int
    host_ports: tuple[HostPort, ...]
    inter_pod: InterPodTerms
    claims: tuple[str, ...]
    """The names of the claims that its volumes are, or that are made for them."""
    disks: tuple[core_v1.Volume, ...]
    """The volumes whose disk two pods may not share as they like."""
    template: bytes
    """Equal for pods that every plugin must treat alike; the node that a pod names does not count."""

    @property
    def spec(self) -> core_v1.PodSpec:
        return self.pod.spec

    @property
    def labels(self) -> Mapping[str, str]:
        return self.pod.metadata.labels

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def scheduler_name(self) -> str:
        return self.spec.scheduler_name or DEFAULT_SCHEDULER

    @property
    def priority(self) -> int:
        return self.spec.priority or 0

    @property
    def is_terminating(self) -> bool:
        return self.pod.metadata.deletion_timestamp is not None


_worked_out: dict[int, tuple[tuple[object, ...], PodInfo]] = {}
"""By the identity of a list of containers, which the pods of a template share: what counts of a pod, and its facts."""


def pod_info(pod: core_v1.Pod) -> PodInfo:
    stated = _stated(pod)
    if stated is None:
        return _work_out(pod)
    by = id(pod.spec.containers)
    known = _worked_out.get(by)
    if known is None or known[0] != stated:
        if len(_worked_out) >= MOST_TEMPLATES:
            _worked_out.clear()
        known = _worked_out[by] = (stated, _work_out(pod))
    like = known[1]
    return PodInfo(
        pod,
        Key(pod.metadata.namespace, pod.metadata.name),
        like.requests,
        like.scored_cpu,
        like.scored_memory,
        like.host_ports,
        like.inter_pod,
        tuple(storage.claims_of(pod)) if pod.spec.volumes else (),
        like.disks,
        like.template,
    )


def _stated(pod: core_v1.Pod) -> tuple[object, ...] | None:
    """All that the facts follow from, but for names; None where they follow from what a node has granted, too."""
    spec, metadata, status = pod.spec, pod.metadata, pod.status
    if status.container_statuses:
        told = (*status.container_statuses, *status.init_container_statuses)
        if any(one.resources is not None for one in told):
            return None
    return (
        spec.containers,
        spec.init_containers,
        spec.volumes,
        spec.resources,
        spec.overhead,
        spec.host_network,
        spec.node_selector,
        spec.affinity,
        spec.tolerations,
        spec.topology_spread_constraints,
        spec.scheduler_name,
        metadata.namespace,
        metadata.labels,
        _owner(pod) if metadata.owner_references else "",
    )


def _owner(pod: core_v1.Pod) -> str:
    return next((owner.uid for owner in pod.metadata.owner_references if owner.controller), "")


def _work_out(pod: core_v1.Pod) -> PodInfo:
    spec = pod.spec
    requests = pod_requests(pod)
    scored = requests if _asks_for_both(spec) else pod_requests(pod, _LEAST_SCORED)
    cpu, memory = scored.get("cpu", 0), scored.get("memory", 0)
    ports = tuple(_host_ports(spec))
    return PodInfo(
        pod=pod,
        key=Key(pod.metadata.namespace, pod.metadata.name),
        requests=requests,
        scored_cpu=cpu,
        scored_memory=memory,
        host_ports=ports,
        inter_pod=parse_inter_pod_terms(pod),
        claims=tuple(storage.claims_of(pod)),
        disks=tuple(volume for volume in spec.volumes if _holds_disk(volume)),
        template=_template(pod, spec, requests, cpu, memory, ports),
    )


def pod_requests(pod: core_v1.Pod, least: Mapping[str, int] = _NOTHING) -> dict[str, int]:
    """What a node must have free: containers and sidecars together, or the largest init step.

    What the pod states for itself counts instead, and what the node has granted to containers counts while it is more.
    ``least`` is taken for what a container does not ask for. Follows upstream's resource helper PodRequests.
    """
    spec = pod.spec
    granted = _granted(pod)
    total: dict[str, int] = {}
    for container in spec.containers:
        _add(total, _requests_of(container, granted, least))
    sidecars: dict[str, int] = {}
    largest_init: dict[str, int] = {}
    for container in spec.init_containers:
        wanted = _requests_of(container, granted, least)
        if container.restart_policy == "Always":
            _add(sidecars, wanted)
            step = dict(sidecars)
        else:
            step = dict(sidecars)
            _add(step, wanted)
        _raise_to(largest_init, step)
    _add(total, sidecars)
    _raise_to(total, largest_init)
    if spec.resources is not None:
        stated = _amounts(spec.resources.requests)
        total.update({name: amount for name, amount in stated.items() if is_pod_level(name)})
    _add(total, _amounts(spec.overhead))
    return {name: amount for name, amount in total.items() if amount}


def _requests_of(
    container: core_v1.Container, granted: Mapping[str, Mapping[str, int]], least: Mapping[str, int]
) -> dict[str, int]:
    held = granted.get(container.name)
    wanted = _amounts(container.resources.requests) if held is None else held
    return {**least, **wanted}


def _granted(pod: core_v1.Pod) -> Mapping[str, Mapping[str, int]]:
    """What containers hold by the pod's status, or ask for if that is more: a resize may not have come down yet.

    What a resize asks for that its node can never give does not count.
    """
    status, spec = pod.status, pod.spec
    if not status.container_statuses:
        return _NOTHING_GRANTED
    infeasible = any(one.type == "PodResizePending" and one.reason == "Infeasible" for one in status.conditions)
    sidecars = [one for one in spec.init_containers if one.restart_policy == "Always"]
    asked = {one.name: one.resources.requests for one in (*spec.containers, *sidecars)}
    granted: dict[str, Mapping[str, int]] = {}
    for one in (*status.container_statuses, *status.init_container_statuses):
        if one.resources is not None and one.name in asked:
            held = _amounts(one.resources.requests)
            _raise_to(held, _amounts(one.allocated_resources))
            _raise_to(held, {} if infeasible else _amounts(asked[one.name]))
            granted[one.name] = held
    return granted


def _asks_for_both(spec: core_v1.PodSpec) -> bool:
    return all(
        "cpu" in one.resources.requests and "memory" in one.resources.requests
        for one in (*spec.containers, *spec.init_containers)
    )


def is_pod_level(resource: str) -> bool:
    """Whether a pod can state it for itself."""
    return resource in _LEAST_SCORED or resource.startswith(HUGEPAGES)


def _amounts(quantities: Mapping[str, str]) -> dict[str, int]:
    return {name: amount_of(name, text) for name, text in quantities.items()}


def amount_of(resource: str, text: str) -> int:
    return quantity.milli(text) if resource == "cpu" else quantity.value(text)


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _raise_to(total: dict[str, int], least: Mapping[str, int]) -> None:
    for name, amount in least.items():
        total[name] = max(total.get(name, 0), amount)


def _host_ports(spec: core_v1.PodSpec) -> Iterator[HostPort]:
    sidecars = [one for one in spec.init_containers if one.restart_policy == "Always"]
    for container in (*spec.containers, *sidecars):
        for port in container.ports:
            number = port.host_port or (port.container_port if spec.host_network else 0)
            if number:
                yield HostPort(port.protocol or "TCP", number, port.host_ip or "0.0.0.0")


def _holds_disk(volume: core_v1.Volume) -> bool:
    return (
        volume.gce_persistent_disk is not None
        or volume.aws_elastic_block_store is not None
        or volume.rbd is not None
        or volume.iscsi is not None
    )


_ENCODER = msgspec.json.Encoder(order="deterministic")


def _template(
    pod: core_v1.Pod,
    spec: core_v1.PodSpec,
    requests: Mapping[str, int],
    cpu: int,
    memory: int,
    ports: tuple[HostPort, ...],
) -> bytes:
    return _ENCODER.encode(
        (
            pod.metadata.namespace,
            pod.metadata.labels,
            _owner(pod),
            requests,
            cpu,
            memory,
            ports,
            spec.node_selector,
            spec.affinity,
            spec.tolerations,
            spec.topology_spread_constraints,
            spec.scheduler_name,
        )
    )
