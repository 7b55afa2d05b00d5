"""Addresses of load balancers on the node: those of the pool that Services have, and no others."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_network
from random import Random

from network.builders import service
from pybernetes.api.models.core_v1 import LoadBalancerIngress, Service
from pybernetes.client import Informers
from pybernetes.network.pool_addresses import PoolAddresses, wanted_addresses
from pybernetes.testing.cluster import Cluster

POOL = (ip_network("192.0.2.0/28"), ip_network("2001:db8::/64"))


def balanced(name: str, *addresses: str, mode: str = "VIP") -> Service:
    made = service(name)
    made.status.load_balancer.ingress = [LoadBalancerIngress(ip=one, ip_mode=mode) for one in addresses]
    return made


def test_only_addresses_of_the_pool_that_traffic_comes_to_are_wanted() -> None:
    services = [
        balanced("a", "192.0.2.1", "2001:db8::1"),
        balanced("of-a-node", "10.1.0.1"),
        balanced("behind-a-proxy", "192.0.2.3", mode="Proxy"),
    ]
    assert wanted_addresses(services, POOL) == {"192.0.2.1", "2001:db8::1"}


class Table:
    def __init__(self, *addresses: str) -> None:
        self.addresses = set(addresses)

    async def present(self) -> Collection[str]:
        return frozenset(self.addresses)

    async def add(self, address: str) -> None:
        self.addresses.add(address)

    async def remove(self, address: str) -> None:
        self.addresses.remove(address)


async def test_what_is_left_over_goes_and_what_is_not_of_the_pool_stays(cluster: Cluster) -> None:
    table = Table("10.96.0.10", "192.0.2.9")
    services = Informers(cluster.client, Random(0)).get(Service)
    keeper = PoolAddresses(services, POOL, table)
    assert await keeper.sync()
    assert table.addresses == {"10.96.0.10"}
