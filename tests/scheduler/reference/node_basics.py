"""NodeUnschedulable, NodeName and NodePorts."""

from __future__ import annotations

from pybernetes.api.models import core_v1
from scheduler.reference.taint_toleration import tolerated
from scheduler.reference.world import Cluster, Verdict


class NodeUnschedulable:
    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        cordon = core_v1.Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
        refused = node.spec.unschedulable and not tolerated(cordon, pod)
        return Verdict(("node(s) were unschedulable",), hopeless=True) if refused else None


class NodeName:
    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        if pod.spec.node_name in ("", node.metadata.name):
            return None
        return Verdict(("node(s) didn't match the requested node name",), hopeless=True)


class NodePorts:
    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        taken = [port for other in cluster.pods_on(node) for port in host_ports(other)]
        if any(clash(wanted, held) for wanted in host_ports(pod) for held in taken):
            return Verdict(("node(s) didn't have free ports for the requested pod ports",))
        return None


def host_ports(pod: core_v1.Pod) -> list[core_v1.ContainerPort]:
    sidecars = [one for one in pod.spec.init_containers if one.restart_policy == "Always"]
    return [port for one in (*pod.spec.containers, *sidecars) for port in one.ports if port.host_port]


def clash(one: core_v1.ContainerPort, other: core_v1.ContainerPort) -> bool:
    if (one.host_port, one.protocol or "TCP") != (other.host_port, other.protocol or "TCP"):
        return False
    addresses = {one.host_ip or "0.0.0.0", other.host_ip or "0.0.0.0"}
    return len(addresses) == 1 or "0.0.0.0" in addresses
