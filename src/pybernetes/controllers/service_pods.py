"""What Services and pods have to do with each other: which pods back a Service, on which ports, in what state.

Follows pkg/controller/util/endpoint and pkg/api/v1/pod (FindPort).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import key_of
from pybernetes.controllers.controller import Controller

HEADLESS_LABEL = "service.kubernetes.io/headless"

Ports = tuple[tuple[str, int, str, str | None], ...]
"""Name, number, protocol and application protocol of each port."""


def selects(service: core_v1.Service, pod: core_v1.Pod) -> bool:
    """A Service without a selector selects nothing."""
    labels = pod.metadata.labels
    return bool(service.spec.selector) and all(labels.get(key) == value for key, value in service.spec.selector.items())


def services_of_pod(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    """For `Maps(Pod, …)`: the Services that the pod backs."""
    services: list[core_v1.Service] = controller.informer(core_v1.Service).list(pod.metadata.namespace)
    return [key_of(service) for service in services if selects(service, pod)]


def service_of_name(controller: Controller, value: Any) -> Iterable[Key]:
    """For `Maps(Endpoints, …)`: the Service of the same name."""
    return [key_of(value)]


def is_listed(pod: core_v1.Pod, *, terminating: bool) -> bool:
    """Whether the pod has an address to list and has not finished."""
    if pod.status.phase in ("Succeeded", "Failed") or not pod.status.pod_ip:
        return False
    return terminating or pod.metadata.deletion_timestamp is None


def is_headless(service: core_v1.Service) -> bool:
    return service.spec.cluster_ip == "None"


def target_port(pod: core_v1.Pod, port: core_v1.ServicePort) -> int | None:
    """The number of the pod's port that a Service's port leads to; None when the pod has no port of that name."""
    if isinstance(port.target_port, int) and port.target_port:
        return port.target_port
    if not port.target_port:
        return port.port
    for declared in _declared_ports(pod):
        if declared.name == port.target_port and (declared.protocol or "TCP") == (port.protocol or "TCP"):
            return declared.container_port
    return None


def target_ports(service: core_v1.Service, pod: core_v1.Pod) -> Ports:
    """Where each of the Service's ports leads on the pod; those that the pod does not have are left out."""
    return tuple(
        (port.name, number, port.protocol or "TCP", port.app_protocol)
        for port in service.spec.ports
        if (number := target_port(pod, port)) is not None
    )


def pod_hostname(service: core_v1.Service, pod: core_v1.Pod) -> str:
    """The name under which DNS knows the pod within the Service; empty when it has none."""
    return pod.spec.hostname if pod.spec.subdomain == service.metadata.name else ""


def target_reference(pod: core_v1.Pod) -> core_v1.ObjectReference:
    return core_v1.ObjectReference(
        kind="Pod", namespace=pod.metadata.namespace, name=pod.metadata.name, uid=pod.metadata.uid
    )


def _declared_ports(pod: core_v1.Pod) -> Iterator[core_v1.ContainerPort]:
    for container in pod.spec.containers:
        yield from container.ports
    for container in pod.spec.init_containers:
        if container.restart_policy == "Always":
            yield from container.ports
