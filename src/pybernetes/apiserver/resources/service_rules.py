"""What a service needs by its type, and how fields follow a change of type.

Follows pkg/registry/core/service/strategy.go and storage/storage.go.
"""

from __future__ import annotations

from pybernetes.apiserver.resource import Document

HEADLESS = "None"
_PROXIED = ("ClusterIP", "NodePort", "LoadBalancer")


def needs_cluster_ip(spec: Document) -> bool:
    return spec.get("type", "ClusterIP") in _PROXIED


def needs_node_port(spec: Document) -> bool:
    return spec.get("type") in ("NodePort", "LoadBalancer")


def is_headless(spec: Document) -> bool:
    return spec.get("clusterIP") == HEADLESS or spec.get("clusterIPs") == [HEADLESS]


def is_externally_accessible(spec: Document) -> bool:
    return needs_node_port(spec) or (spec.get("type") == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check_port(spec: Document) -> bool:
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def complete_cluster_ips(spec: Document) -> None:
    """`clusterIP` and the first of `clusterIPs` are the same thing."""
    if spec.get("clusterIP") and not spec.get("clusterIPs"):
        spec["clusterIPs"] = [spec["clusterIP"]]


def follow_cluster_ip(new: Document, old: Document) -> None:
    """A client that knows only `clusterIP` changes it alone."""
    before, after = old.get("clusterIP", ""), new.get("clusterIP", "")
    same_list = new.get("clusterIPs", []) == old.get("clusterIPs", [])
    if not before and after and not new.get("clusterIPs"):
        new["clusterIPs"] = [after]
    elif before and not after and same_list:
        new.pop("clusterIPs", None)
    elif before and after and before != after and same_list and new.get("clusterIPs"):
        new["clusterIPs"] = [after, *new["clusterIPs"][1:]]


def keep_allocated(new: Document, old: Document) -> None:
    """What was allocated stays when the client leaves it out."""
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        if not new.get("clusterIP") and old.get("clusterIP"):
            new["clusterIP"] = old["clusterIP"]
        if not new.get("clusterIPs") and new.get("clusterIP") == old.get("clusterIP") and old.get("clusterIPs"):
            new["clusterIPs"] = list(old["clusterIPs"])
        for name in ("ipFamilies", "ipFamilyPolicy"):
            if not new.get(name) and old.get(name):
                new[name] = old[name]
    if needs_node_port(old) and needs_node_port(new):
        _keep_node_ports(new, old)
    if needs_health_check_port(old) and needs_health_check_port(new) and not new.get("healthCheckNodePort"):
        new["healthCheckNodePort"] = old.get("healthCheckNodePort", 0)


def _keep_node_ports(new: Document, old: Document) -> None:
    known = {(port.get("protocol"), port.get("port")): port.get("nodePort") for port in old.get("ports", ())}
    asked = {port["nodePort"] for port in new.get("ports", ()) if port.get("nodePort")}
    for port in new.get("ports", ()):
        before = known.get((port.get("protocol"), port.get("port")))
        if not port.get("nodePort") and before and before not in asked:
            port["nodePort"] = before


def drop_by_type(new: Document, old: Document) -> None:
    """What the old type had and the new one cannot have goes, unless the client asked for it anew."""
    if needs_cluster_ip(old) and not needs_cluster_ip(new):
        if new.get("clusterIPs", []) == old.get("clusterIPs", []):
            new.pop("clusterIP", None)
            new.pop("clusterIPs", None)
        for name in ("ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy"):
            if new.get(name) == old.get(name):
                new.pop(name, None)
    if needs_node_port(old) and not needs_node_port(new):
        before = [port.get("nodePort") for port in old.get("ports", ())]
        if [port.get("nodePort") for port in new.get("ports", ())] == before:
            for port in new.get("ports", ()):
                port.pop("nodePort", None)
    if needs_health_check_port(old) and not needs_health_check_port(new):
        _drop_if_same(new, old, "healthCheckNodePort")
    if old.get("type") == "LoadBalancer" and new.get("type") != "LoadBalancer":
        _drop_if_same(new, old, "allocateLoadBalancerNodePorts")
        _drop_if_same(new, old, "loadBalancerClass")
    if is_externally_accessible(old) and not is_externally_accessible(new):
        _drop_if_same(new, old, "externalTrafficPolicy")
    if old.get("type") == "ExternalName" and new.get("type") != "ExternalName":
        _drop_if_same(new, old, "externalName")


def _drop_if_same(new: Document, old: Document, name: str) -> None:
    if new.get(name) == old.get(name):
        new.pop(name, None)
