"""Addresses of Services: those of a pool are nobody's twice, and ranges stay while an address has no other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from ipaddress import ip_address, ip_network

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.api.models.networking_v1 import IPAddress, ServiceCIDR
from pybernetes.controllers.load_balancing import addresses_of, wants_load_balancer
from pybernetes.controllers.network_options import NetworkOptions
from pybernetes.controllers.service_lb import FINALIZER

NAMES = tuple(f"service-{number}" for number in range(6))
POOL = ip_network("192.0.2.0/29")
POOL_SIZE = 6


async def create_service(world: World) -> None:
    kind = world.random.choice(("LoadBalancer", "LoadBalancer", "LoadBalancer", "ClusterIP"))
    spec = {"ports": [{"port": 80}], "type": kind}
    if world.random.random() < 0.2 and kind == "LoadBalancer":
        spec["loadBalancerIP"] = f"192.0.2.{world.random.randrange(1, 7)}"
    await world.create(core_v1.Service, world.random.choice(NAMES), spec=spec)


async def change_type(world: World) -> None:
    service = world.get(core_v1.Service, world.random.choice(NAMES))
    if service is not None:
        await world.patch(service, {"spec": {"type": world.random.choice(("LoadBalancer", "ClusterIP", "NodePort"))}})


async def delete_service(world: World) -> None:
    service = world.get(core_v1.Service, world.random.choice(NAMES))
    if service is not None:
        await world.delete(service)


def addresses_are_their_own(world: World, step: Step) -> None:
    if isinstance(step.new, core_v1.Service) and addresses_of(step.new):
        given = Counter(address for one in world.all(core_v1.Service) for address in addresses_of(one))
        if max(given.values()) > 1:
            world.complain(f"addresses are given twice: {given}")


def services_have_addresses(world: World) -> Iterable[str]:
    """Six of six fit, unless one insists on an address that another has."""
    services = world.all(core_v1.Service)
    for service in services:
        name, addresses = service.metadata.name, addresses_of(service)
        if not wants_load_balancer(service):
            if addresses or FINALIZER in service.metadata.finalizers:
                yield f"{name} wants no load balancer and has {addresses}, {service.metadata.finalizers}"
            continue
        asked = service.spec.load_balancer_ip
        free = asked or "any"
        if asked and any(asked in addresses_of(one) for one in services if one is not service):
            free = ""
        if free and (len(addresses) != 1 or ip_address(addresses[0]) not in POOL):
            yield f"{name} has {addresses}, {free} is free"
        if asked and addresses not in ((), (asked,)):
            yield f"{name} has {addresses}, wants {asked}"
        if service.metadata.deletion_timestamp is not None:
            yield f"{name} does not end"


test_services_get_addresses, test_services_get_addresses_nightly, test_services_get_addresses_in_all_troubles = (
    properties(
        History(
            controllers=("service-lb-controller",),
            network=NetworkOptions(load_balancer_pool=(POOL,)),
            actions={create_service: 6, change_type: 2, delete_service: 2},
            always=addresses_are_their_own,
            at_rest=services_have_addresses,
        ),
        seeds=1,
    )
)

RANGES = ("10.96.7.0/28", "10.201.0.0/28", "10.201.0.0/27", "10.202.0.0/28")


async def create_range(world: World) -> None:
    number = world.random.randrange(len(RANGES))
    await world.create(ServiceCIDR, f"range-{number}", "", spec={"cidrs": [RANGES[number]]})


async def delete_range(world: World) -> None:
    one = world.get(ServiceCIDR, f"range-{world.random.randrange(len(RANGES))}", "")
    if one is not None:
        await world.delete(one)


async def use_address(world: World) -> None:
    """The address has a range, or there is no such Service."""
    address = f"{world.random.choice(RANGES).rsplit('.', 1)[0]}.{world.random.randrange(1, 15)}"
    spec = {"ports": [{"port": 80}], "clusterIP": address}
    try:
        await world.create(core_v1.Service, world.random.choice(NAMES), spec=spec)
    except ApiError as error:
        if error.reason != "Invalid":
            raise


def used_ranges_stay(world: World, step: Step) -> None:
    if not isinstance(step.old, ServiceCIDR) or step.new is not None:
        return
    left = [ip_network(cidr) for one in world.all(ServiceCIDR) for cidr in one.spec.cidrs]
    gone = [ip_network(cidr) for cidr in step.old.spec.cidrs]
    for one in world.all(IPAddress):
        address = ip_address(one.metadata.name)
        if any(address in cidr for cidr in gone) and not any(address in cidr for cidr in left):
            world.complain(f"{step.old.metadata.name} went, and {address} has no other range")


def ranges_are_right(world: World) -> Iterable[str]:
    ranges = world.all(ServiceCIDR)
    for one in ranges:
        name, ready = one.metadata.name, meta.is_true(one.status, "Ready")
        others = [ip_network(cidr) for other in ranges if other is not one for cidr in other.spec.cidrs]
        alone = [
            each.metadata.name
            for each in world.all(IPAddress)
            if any(ip_address(each.metadata.name) in ip_network(cidr) for cidr in one.spec.cidrs)
            and not any(ip_address(each.metadata.name) in cidr for cidr in others)
        ]
        if one.metadata.deletion_timestamp is not None:
            if not alone or ready:
                yield f"{name} is to go, ready is {ready}, its addresses are {alone}"
        elif not ready or "networking.k8s.io/service-cidr-finalizer" not in one.metadata.finalizers:
            yield f"{name} is not ready: {one.status.conditions}, {one.metadata.finalizers}"


test_ranges_converge, test_ranges_converge_nightly, test_ranges_converge_in_all_troubles = properties(
    History(
        controllers=("service-cidr-controller",),
        actions={create_range: 4, delete_range: 3, use_address: 4, delete_service: 2},
        always=used_ranges_stay,
        at_rest=ranges_are_right,
    ),
    seeds=1,
)
