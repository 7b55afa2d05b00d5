"""Whether this node takes a pod that was bound to it: the last check before anything is started.

Guarantees  Pure; the reasons and messages are upstream's. A pod that runs here already is not asked again.
Follows     pkg/kubelet/lifecycle/predicate.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pybernetes.api import quantity
from pybernetes.api.models.core_v1 import Pod

from . import resources, security
from .conditions import TERMINAL
from .status_context import Reason

NODE_AFFINITY = "NodeAffinity"
_COUNTED = ("cpu", "memory", "ephemeral-storage")


def refusal(
    pod: Pod,
    others: Iterable[Pod],
    allocatable: Mapping[str, str],
    labels: Mapping[str, str],
    unsafe_sysctls: tuple[str, ...] = (),
    *,
    strict_groups: bool = False,
) -> Reason | None:
    """Why the node does not take the pod, or None. `others` are the pods it has taken; `strict_groups` says that its
    runtime can leave out the groups of images."""
    if pod.spec.os is not None and pod.spec.os.name not in ("", "linux"):
        return Reason("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS")
    wanted_os = pod.spec.node_selector.get("kubernetes.io/os")
    if wanted_os is not None and wanted_os != "linux":
        return Reason(
            "PodOSSelectorNodeLabelDoesNotMatch",
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        )
    if security.wants_strict_groups(pod) and not strict_groups:
        return Reason(
            "SupplementalGroupsPolicyNotSupported", "SupplementalGroupsPolicy=Strict is not supported in this node"
        )
    forbidden = security.forbidden_sysctl(pod, unsafe_sysctls)
    if forbidden is not None:
        return Reason("SysctlForbidden", forbidden)
    if any(labels.get(key) != value for key, value in pod.spec.node_selector.items()):
        return Reason(
            NODE_AFFINITY,
            "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        )
    active = [other for other in others if other.status.phase not in TERMINAL]
    return _port_conflict(pod, active) or _out_of(pod, active, allocatable)


def resize_refusal(pod: Pod, others: Iterable[Pod], allocatable: Mapping[str, str]) -> Reason | None:
    """Why the node does not grant a pod that it runs what the pod asks for now."""
    for name in ("cpu", "memory"):
        wanted = resources.pod_request(pod, name)
        capacity = quantity.milli(allocatable[name]) if name == "cpu" else quantity.value(allocatable[name])
        if wanted > capacity:
            numbers = f"requested: {wanted}, capacity: {capacity}"
            return Reason("Infeasible", f"Node didn't have enough capacity: {name}, {numbers}")
    active = [other for other in others if other.status.phase not in TERMINAL]
    refusal = _out_of(pod, active, {name: allocatable[name] for name in ("cpu", "memory")})
    return None if refusal is None else Reason("Deferred", refusal.message.removeprefix("Pod was rejected: "))


def _out_of(pod: Pod, active: list[Pod], allocatable: Mapping[str, str]) -> Reason | None:
    most = quantity.value(allocatable["pods"]) if "pods" in allocatable else len(active) + 1
    if len(active) + 1 > most:
        return _rejected("pods", 1, len(active), most)
    for name in _COUNTED:
        wanted = resources.pod_request(pod, name)
        if not wanted or name not in allocatable:
            continue
        capacity = quantity.milli(allocatable[name]) if name == "cpu" else quantity.value(allocatable[name])
        used = sum(resources.pod_request(other, name) for other in active)
        if used + wanted > capacity:
            return _rejected(name, wanted, used, capacity)
    return None


def _rejected(name: str, wanted: int, used: int, capacity: int) -> Reason:
    numbers = f"requested: {wanted}, used: {used}, capacity: {capacity}"
    return Reason(f"OutOf{name}", f"Pod was rejected: Node didn't have enough resource: {name}, {numbers}")


def _port_conflict(pod: Pod, active: list[Pod]) -> Reason | None:
    taken = {port for other in active for port in _host_ports(other)}
    for port, protocol, ip in _host_ports(pod):
        for other_port, other_protocol, other_ip in taken:
            same_address = ip == other_ip or "0.0.0.0" in (ip, other_ip)
            if port == other_port and protocol == other_protocol and same_address:
                why = "node(s) didn't have free ports for the requested pod ports"
                return Reason("NodePorts", f"Pod was rejected: Predicate NodePorts failed: {why}")
    return None


def _host_ports(pod: Pod) -> set[tuple[int, str, str]]:
    return {
        (port.host_port, port.protocol or "TCP", port.host_ip or "0.0.0.0")
        for container in pod.spec.containers
        for port in container.ports
        if port.host_port
    }
