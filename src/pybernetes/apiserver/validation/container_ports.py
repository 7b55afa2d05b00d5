"""The ports of containers: of each, and against each other.

Follows validateContainerPorts, checkHostPortConflicts and validatePodHostNetworkDeps in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pybernetes.api.fields import FieldError, FieldPath, duplicate, invalid, is_port_name, required
from pybernetes.api.models.core_v1 import Container, ContainerPort, EphemeralContainer
from pybernetes.apiserver.validation.probes import PORT_RANGE
from pybernetes.apiserver.validation.simple import check_choice

PROTOCOLS = ("SCTP", "TCP", "UDP")
_HOST_NETWORK = "must match `containerPort` when `hostNetwork` is true"


def check_ports(ports: Sequence[ContainerPort], path: FieldPath) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        each = path[index]
        if port.name:
            messages = is_port_name(port.name)
            yield from (invalid(each.name, port.name, message) for message in messages)
            if not messages and port.name in names:
                yield duplicate(each.name, port.name)
            names.add(port.name)
        if not port.container_port:
            yield required(each.containerPort)
        elif not 1 <= port.container_port <= 65535:
            yield invalid(each.containerPort, port.container_port, PORT_RANGE)
        if port.host_port and not 1 <= port.host_port <= 65535:
            yield invalid(each.hostPort, port.host_port, PORT_RANGE)
        yield from check_choice(port.protocol, PROTOCOLS, each.protocol)


def check_host_ports(containers: Sequence[Container | EphemeralContainer], path: FieldPath) -> Iterator[FieldError]:
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for position, port in enumerate(container.ports):
            if not port.host_port:
                continue
            identity = f"{port.protocol}/{port.host_ip or ''}/{port.host_port}"
            if identity in taken:
                yield duplicate(path[index].ports[position].hostPort, identity)
            taken.add(identity)


def check_host_network(containers: Sequence[Container], path: FieldPath, *, in_template: bool) -> Iterator[FieldError]:
    """In a template the host's port may be left out: it is filled in when the pod is made."""
    for index, container in enumerate(containers):
        for position, port in enumerate(container.ports):
            given = not in_template or port.host_port
            if given and port.host_port != port.container_port:
                yield invalid(path[index].ports[position].hostPort, port.host_port, _HOST_NETWORK)
