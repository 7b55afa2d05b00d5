"""The node as the API shows it: pure builders of its object and its status.

Guarantees  Conditions keep their transition times while their status stays; heartbeats alone do not count as a
            change.
Follows     pkg/kubelet/kubelet_node_status.go and pkg/kubelet/nodestatus/setters.go.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pybernetes.api import quantity
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.models.core_v1 import Node, NodeAddress, NodeCondition, NodeStatus

from .configuration import NodeConfiguration
from .machine import Machine
from .runtime import RuntimeHandler

FEATURES = (
    "ExtendWebSocketsToKubelet",
    "InPlacePodLevelResourcesVerticalScaling",
    "InPlacePodVerticalScalingInitContainers",
    "RestartAllContainersOnContainerExits",
)
"""What this kubelet can do that not every kubelet of the version can; in order, as it is validated."""


@dataclass(frozen=True, slots=True)
class Readings:
    """What changes about a node. Empty problems mean ready."""

    problem: str = ""
    memory_pressure: bool = False
    disk_pressure: bool = False
    pid_pressure: bool = False
    runtime_version: str = ""
    images: Sequence[tuple[list[str], int]] = ()
    handlers: Sequence[RuntimeHandler] = ()
    strict_groups: bool | None = None


def labels_of(node: NodeConfiguration, machine: Machine) -> dict[str, str]:
    hostname = node.hostname or node.name
    return {
        "beta.kubernetes.io/arch": machine.architecture,
        "beta.kubernetes.io/os": machine.operating_system,
        "kubernetes.io/arch": machine.architecture,
        "kubernetes.io/hostname": hostname,
        "kubernetes.io/os": machine.operating_system,
        **node.labels,
    }


def capacity_of(node: NodeConfiguration, machine: Machine) -> dict[str, str]:
    measured = {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory // 1024}Ki",
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "pods": str(node.max_pods),
    }
    return {**measured, **(node.capacity or {})}


def allocatable_of(capacity: Mapping[str, str], reserved: Mapping[str, str]) -> dict[str, str]:
    """What is left for pods once what is reserved for the system is taken away."""
    found = dict(capacity)
    for name, amount in reserved.items():
        if name == "cpu":
            left = max(0, quantity.milli(capacity.get(name, "0")) - quantity.milli(amount))
            found[name] = f"{left}m" if left % 1000 else str(left // 1000)
        else:
            found[name] = str(max(0, quantity.value(capacity.get(name, "0")) - quantity.value(amount)))
    return found


def addresses_of(node: NodeConfiguration) -> list[NodeAddress]:
    internal = [NodeAddress(type="InternalIP", address=str(ipaddress.ip_address(ip))) for ip in node.addresses]
    external = [NodeAddress(type="ExternalIP", address=str(ipaddress.ip_address(ip))) for ip in node.external_addresses]
    return [*internal, *external, NodeAddress(type="Hostname", address=node.hostname or node.name)]


def conditions_of(old: Sequence[NodeCondition], readings: Readings, now: datetime) -> list[NodeCondition]:
    def pressure(type: str, under: bool, words: str, good: str) -> NodeCondition:
        reason = f"KubeletHas{words}" if under else f"KubeletHas{good}"
        message = f"kubelet has {_words(words if under else good)}"
        return NodeCondition(type=type, status="True" if under else "False", reason=reason, message=message)

    ready = not readings.problem
    wanted = [
        pressure("MemoryPressure", readings.memory_pressure, "InsufficientMemory", "SufficientMemory"),
        pressure("DiskPressure", readings.disk_pressure, "DiskPressure", "NoDiskPressure"),
        pressure("PIDPressure", readings.pid_pressure, "InsufficientPID", "SufficientPID"),
        NodeCondition(
            type="Ready",
            status="True" if ready else "False",
            reason="KubeletReady" if ready else "KubeletNotReady",
            message=readings.problem or "kubelet is posting ready status",
        ),
    ]
    before = {condition.type: condition for condition in old}
    own = {condition.type for condition in wanted}
    merged = [_dated(condition, before.get(condition.type), now) for condition in wanted]
    return [*(condition for condition in old if condition.type not in own), *merged]


def _words(reason: str) -> str:
    return {
        "InsufficientMemory": "insufficient memory available",
        "SufficientMemory": "sufficient memory available",
        "DiskPressure": "disk pressure",
        "NoDiskPressure": "no disk pressure",
        "InsufficientPID": "insufficient PID available",
        "SufficientPID": "sufficient PID available",
    }[reason]


def _dated(new: NodeCondition, old: NodeCondition | None, now: datetime) -> NodeCondition:
    since = old.last_transition_time if old is not None and old.status == new.status else now
    return msgspec.structs.replace(new, last_heartbeat_time=now, last_transition_time=since)


def status_of(
    node: NodeConfiguration, machine: Machine, old: NodeStatus, readings: Readings, now: datetime
) -> NodeStatus:
    """Resources that others have given the node stay, whole for pods."""
    capacity, strict = {**old.capacity, **capacity_of(node, machine)}, readings.strict_groups
    return msgspec.structs.replace(
        old,
        capacity=capacity,
        allocatable=allocatable_of(capacity, node.reserved),
        addresses=addresses_of(node),
        conditions=conditions_of(old.conditions, readings, now),
        daemon_endpoints=core_v1.NodeDaemonEndpoints(kubelet_endpoint=core_v1.DaemonEndpoint(port=node.port)),
        node_info=core_v1.NodeSystemInfo(
            machine_id=machine.machine_id,
            system_uuid=machine.system_uuid,
            boot_id=machine.boot_id,
            kernel_version=machine.kernel,
            os_image=machine.os_image,
            container_runtime_version=readings.runtime_version,
            kubelet_version=node.version,
            operating_system=machine.operating_system,
            architecture=machine.architecture,
        ),
        images=[core_v1.ContainerImage(names=names, size_bytes=size) for names, size in readings.images],
        declared_features=list(FEATURES),
        features=None if strict is None else core_v1.NodeFeatures(supplemental_groups_policy=strict),
        runtime_handlers=[_handler(handler) for handler in readings.handlers],
    )


def _handler(handler: RuntimeHandler) -> core_v1.NodeRuntimeHandler:
    if handler.user_namespaces is None and handler.recursive_read_only is None:
        return core_v1.NodeRuntimeHandler(name=handler.name)
    features = core_v1.NodeRuntimeHandlerFeatures(
        recursive_read_only_mounts=handler.recursive_read_only, user_namespaces=handler.user_namespaces
    )
    return core_v1.NodeRuntimeHandler(name=handler.name, features=features)


def node_object(node: NodeConfiguration, machine: Machine, readings: Readings, now: datetime) -> Node:
    """The node as it registers itself."""
    cidrs = [node.pod_cidr] if node.pod_cidr else []
    return Node(
        metadata=meta_v1.ObjectMeta(
            name=node.name,
            labels=labels_of(node, machine),
            annotations={"volumes.kubernetes.io/controller-managed-attach-detach": "true", **node.annotations},
        ),
        spec=core_v1.NodeSpec(
            pod_cidr=node.pod_cidr or "",
            pod_cidrs=cidrs,
            provider_id=node.provider_id or "",
            taints=[core_v1.Taint(key=t.key, value=t.value, effect=t.effect) for t in node.taints],
        ),
        status=status_of(node, machine, NodeStatus(), readings, now),
    )


def changed(old: NodeStatus, new: NodeStatus) -> bool:
    """Whether anything but heartbeats differs; the same amount may be written in several ways."""
    return _comparable(old) != _comparable(new)


def _comparable(status: NodeStatus) -> NodeStatus:
    conditions = [msgspec.structs.replace(c, last_heartbeat_time=None) for c in status.conditions]
    capacity, allocatable = _amounts(status.capacity), _amounts(status.allocatable)
    return msgspec.structs.replace(status, conditions=conditions, capacity=capacity, allocatable=allocatable)


def _amounts(resources: Mapping[str, str]) -> dict[str, str]:
    return {name: quantity.canonical(amount) for name, amount in resources.items()}
