"""The network of the local node: bridge, Service proxy and DNS, on one set of informers."""

from __future__ import annotations

import asyncio
import ipaddress
import random

import structlog

from pybernetes.api.models.core_v1 import Namespace, Node, Pod, Service
from pybernetes.api.models.discovery_v1 import EndpointSlice
from pybernetes.cli.cluster_network import network_options
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.nodes import LocalNode, resolver_file
from pybernetes.client import Client, Informers
from pybernetes.network import cni, host
from pybernetes.network.dns import DnsServer
from pybernetes.network.dns.answer import Zone
from pybernetes.network.dns.forward import Forwarder
from pybernetes.network.dns.zone import InformedRecords
from pybernetes.network.names import NetworkNames
from pybernetes.network.pool_addresses import DeviceAddresses, PoolAddresses
from pybernetes.network.proxy.health_ports import HealthPorts
from pybernetes.network.proxy.proxy import ServiceProxy
from pybernetes.network.proxy.ruleset import NodeFacts
from pybernetes.network.proxy.services import ZONE_LABEL
from pybernetes.network.routes import KernelRoutes, NodeRoutes

RETRY_SECONDS = 5.0
log = structlog.get_logger("network")


def prepare(layout: Layout, settings: Settings, pod_cidr: str) -> None:
    """What must be there before the first pod."""
    names = NetworkNames.of(settings.name)
    host.prepare(names, pod_cidr, settings.dns_address)
    cni.write(
        cni.PodNetwork(names.cni_network, names.bridge, pod_cidr, str(layout.cni_state)), layout.cni_configuration
    )


async def run(client: Client, settings: Settings, node: LocalNode) -> None:
    seed = random.Random()
    informers = Informers(client, seed)
    services, slices, nodes = informers.get(Service), informers.get(EndpointSlice), informers.get(Node)
    pods = informers.get(Pod, field_selector=f"spec.nodeName={node.name}")
    names = NetworkNames.of(settings.name)
    facts = NodeFacts(
        name=node.name,
        table=names.table,
        bridge=names.bridge,
        pod_cidr=node.pod_cidr,
        cluster_cidr=settings.pod_cidr,
        served_here=frozenset({settings.dns_address}),
    )
    proxy = ServiceProxy(services, slices, pods, facts)
    nodes.on_change(lambda old, new: _place(proxy, node.name, new))
    options = network_options(settings)
    ranges = {ipaddress.ip_network(settings.pod_cidr), *(one.cidr for one in options.node_ranges)}
    routes = NodeRoutes(nodes, node.name, KernelRoutes(sorted(ranges, key=str)))
    pool = options.load_balancer_pool
    zone = Zone(InformedRecords(services, slices, informers.get(Namespace)), settings.dns_address)
    dns = DnsServer(zone, Forwarder(settings.dns_address, resolver_file(settings, node.number)), seed)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(informers.run(), name="network informers")
        tasks.create_task(proxy.run(), name="proxy")
        tasks.create_task(routes.run(), name="routes")
        tasks.create_task(HealthPorts(services, slices, node.name).run(), name="health checks of services")
        if pool and node.number == 1:
            addresses = PoolAddresses(services, pool, DeviceAddresses(names.dns_device))
            tasks.create_task(addresses.run(), name="load balancer addresses")
        await informers.synced()
        tasks.create_task(_keep_answering(dns), name="dns")


def _place(proxy: ServiceProxy, name: str, node: Node | None) -> None:
    if node is not None and node.metadata.name == name:
        proxy.place(node.metadata.labels.get(ZONE_LABEL, ""))


async def _keep_answering(dns: DnsServer) -> None:
    """Another resolver of the machine may hold the port: pods go without names, but they go on."""
    while True:
        try:
            await dns.run()
        except OSError as error:
            log.error("the cluster's DNS cannot listen; trying again", error=str(error))
            await asyncio.sleep(RETRY_SECONDS)
