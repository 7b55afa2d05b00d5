"""PodInfo: what the scheduler needs of a pod, worked out once when the pod is first seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from pybernetes.api import quantity, storage
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.scheduler.affinity import InterPodTerms, parse_inter_pod_terms

DEFAULT_MILLI_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What scoring takes a container for that asks for nothing (upstream's non-zero requests)."""


class HostPort(NamedTuple):
    protocol: str
    port: int
    address: str


@dataclass(frozen=True, slots=True)
class PodInfo:
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
    template: bytes
    """Equal for pods that every plugin must treat alike."""

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
    def priority(self) -> int:
        return self.spec.priority or 0

    @property
    def is_terminating(self) -> bool:
        return self.pod.metadata.deletion_timestamp is not None


def pod_info(pod: core_v1.Pod) -> PodInfo:
    spec = pod.spec
    requests = pod_requests(spec)
    cpu, memory = scored_requests(spec)
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
        template=_template(pod, spec, requests, cpu, memory, ports),
    )


def pod_requests(spec: core_v1.PodSpec) -> dict[str, int]:
    """What a node must have free: containers and sidecars together, or the largest init step.

    Follows upstream's resource helper PodRequests.
    """
    total: dict[str, int] = {}
    for container in spec.containers:
        _add(total, _requests_of(container))
    sidecars: dict[str, int] = {}
    largest_init: dict[str, int] = {}
    for container in spec.init_containers:
        wanted = _requests_of(container)
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
        total.update(_amounts(spec.resources.requests))
    _add(total, _amounts(spec.overhead))
    return {name: amount for name, amount in total.items() if amount}


def scored_requests(spec: core_v1.PodSpec) -> tuple[int, int]:
    """CPU and memory as scoring counts them: containers that ask for nothing count for a little."""
    cpu = memory = 0
    for container in spec.containers:
        wanted = _requests_of(container)
        cpu += wanted.get("cpu", DEFAULT_MILLI_CPU)
        memory += wanted.get("memory", DEFAULT_MEMORY)
    overhead = _amounts(spec.overhead)
    return cpu + overhead.get("cpu", 0), memory + overhead.get("memory", 0)


def _requests_of(container: core_v1.Container) -> dict[str, int]:
    return _amounts(container.resources.requests)


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


_ENCODER = msgspec.json.Encoder(order="deterministic")


def _template(
    pod: core_v1.Pod,
    spec: core_v1.PodSpec,
    requests: Mapping[str, int],
    cpu: int,
    memory: int,
    ports: tuple[HostPort, ...],
) -> bytes:
    owner = next((owner.uid for owner in pod.metadata.owner_references if owner.controller), "")
    return _ENCODER.encode(
        (
            pod.metadata.namespace,
            pod.metadata.labels,
            owner,
            requests,
            cpu,
            memory,
            ports,
            spec.node_name,
            spec.node_selector,
            spec.affinity,
            spec.tolerations,
            spec.topology_spread_constraints,
            spec.scheduler_name,
        )
    )
