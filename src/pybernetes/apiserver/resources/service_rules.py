"""What a service needs by its type, and how fields follow a change of type.

Follows pkg/registry/core/service/strategy.go and storage/storage.go.
"""

from __future__ import annotations

from pybernetes.apiserver.resource import Document

HEADLESS = "None"
EXTERNAL_NAME = "ExternalName"
_PROXIED = ("ClusterIP", "NodePort", "LoadBalancer")


def needs_cluster_ip(spec: Document) -> bool:
    return spec.get("type") != EXTERNAL_NAME


def is_proxied(spec: Document) -> bool:
    return spec.get("type") in _PROXIED


def may_have_node_ports(spec: Document) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def allocates_node_ports(spec: Document) -> bool:
    if spec.get("type") == "LoadBalancer":
        return bool(spec.get("allocateLoadBalancerNodePorts", True))
    return spec.get("type") == "NodePort"


def is_headless(spec: Document) -> bool:
    return spec.get("clusterIP") == HEADLESS


def is_externally_accessible(spec: Document) -> bool:
    return may_have_node_ports(spec) or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check_port(spec: Document) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def cluster_ips(service: Document) -> list[str]:
    """The addresses that a service holds: none if it is headless or only a name."""
    spec = service.get("spec") or {}
    if not needs_cluster_ip(spec):
        return []
    return [address for address in spec.get("clusterIPs") or () if address != HEADLESS]


def complete_cluster_ips(spec: Document) -> None:
    """`clusterIP` and the first of `clusterIPs` are the same thing; a client may know only the first."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def follow_cluster_ip(new: Document, old: Document) -> None:
    """A client that knows only `clusterIP` changes it alone."""
    before, after = old.get("clusterIP", ""), new.get("clusterIP", "")
    if not new.get("clusterIPs") and before == after and old.get("clusterIPs"):
        new["clusterIPs"] = list(old["clusterIPs"])
    if before == after or new.get("clusterIPs", []) != old.get("clusterIPs", []):
        return
    if before and not after:
        new.pop("clusterIPs", None)
    else:
        new["clusterIPs"] = [after]


def keep_allocated(new: Document, old: Document) -> None:
    """What was allocated stays when the client leaves it out."""
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        if not new.get("clusterIP") and old.get("clusterIP"):
            new["clusterIP"] = old["clusterIP"]
        if not new.get("clusterIPs") and old.get("clusterIPs"):
            new["clusterIPs"] = list(old["clusterIPs"])
    if allocates_node_ports(old) and allocates_node_ports(new):
        _keep_node_ports(new, old)
    if needs_health_check_port(old) and needs_health_check_port(new) and not new.get("healthCheckNodePort"):
        _keep(new, old, "healthCheckNodePort")


def _keep_node_ports(new: Document, old: Document) -> None:
    """By the ports' names, unless the number is used by another port now."""
    used = _node_ports(new) & _node_ports(old)
    known = {port.get("name", ""): port.get("nodePort", 0) for port in old.get("ports") or ()}
    for port in new.get("ports") or ():
        before = known.get(port.get("name", ""), 0)
        if not port.get("nodePort") and before and before not in used:
            port["nodePort"] = before


def _node_ports(spec: Document) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def drop_by_type(new: Document, old: Document) -> None:
    """What the old type had and the new one cannot have goes, unless the client asked for it anew."""
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if all(_same(new, old, name) for name in ("clusterIP", "clusterIPs")):
            new.pop("clusterIP", None)
            new.pop("clusterIPs", None)
        _drop_if_same(new, old, "ipFamilies")
        _drop_if_same(new, old, "ipFamilyPolicy")
    if may_have_node_ports(old) and not may_have_node_ports(new) and _node_ports(old) >= _node_ports(new):
        for port in new.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_check_port(old) and not needs_health_check_port(new):
        _drop_if_same(new, old, "healthCheckNodePort")
    if old.get("type") == "LoadBalancer" and new.get("type") != "LoadBalancer":
        _drop_if_same(new, old, "allocateLoadBalancerNodePorts")
        _drop_if_same(new, old, "loadBalancerClass")
    if is_externally_accessible(old) and not is_externally_accessible(new):
        _drop_if_same(new, old, "externalTrafficPolicy")


def _same(new: Document, old: Document, name: str) -> bool:
    return bool(new.get(name) == old.get(name))


def _drop_if_same(new: Document, old: Document, name: str) -> None:
    if _same(new, old, name):
        new.pop(name, None)


def _keep(new: Document, old: Document, name: str) -> None:
    if name in old:
        new[name] = old[name]
