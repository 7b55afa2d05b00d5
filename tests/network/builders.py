"""Short ways to write the objects that the network tests reason about."""

from __future__ import annotations

from typing import Any

from pybernetes.api.models.core_v1 import Service, ServicePort, ServiceSpec
from pybernetes.api.models.discovery_v1 import Endpoint, EndpointConditions, EndpointPort, EndpointSlice
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.network.proxy.ruleset import NodeFacts

NODE = NodeFacts("node1", "p8s-test", "p8s-br-test", "10.244.0.0/24", "10.244.0.0/16")


def port(number: int = 80, *, name: str = "", protocol: str = "TCP", node_port: int = 0) -> ServicePort:
    return ServicePort(name=name, port=number, protocol=protocol, node_port=node_port)


def service(
    name: str = "web", ip: str = "10.96.0.20", *ports: ServicePort, namespace: str = "default", **spec: Any
) -> Service:
    spec.setdefault("type", "ClusterIP")
    cluster_ips = [ip] if ip else []
    return Service(
        metadata=ObjectMeta(name=name, namespace=namespace),
        spec=ServiceSpec(cluster_ip=ip, cluster_ips=cluster_ips, ports=list(ports or (port(),)), **spec),
    )


def endpoint(
    address: str,
    *,
    ready: bool = True,
    serving: bool | None = None,
    terminating: bool = False,
    node: str = "node1",
    hostname: str | None = None,
) -> Endpoint:
    conditions = EndpointConditions(ready=ready, serving=ready if serving is None else serving, terminating=terminating)
    return Endpoint(addresses=[address], conditions=conditions, node_name=node, hostname=hostname)


def slice_of(
    name: str,
    *endpoints: Endpoint | str,
    number: int = 8080,
    namespace: str = "default",
    port_name: str = "",
    protocol: str = "TCP",
) -> EndpointSlice:
    return EndpointSlice(
        metadata=ObjectMeta(name=f"{name}-1", namespace=namespace, labels={"kubernetes.io/service-name": name}),
        address_type="IPv4",
        endpoints=[endpoint(one) if isinstance(one, str) else one for one in endpoints],
        ports=[EndpointPort(name=port_name, protocol=protocol, port=number)],
    )
