"""Ranges of service addresses: ready while they stay, kept while an address has no other."""

from __future__ import annotations

import asyncio

import pytest

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import condition
from pybernetes.api.models import core_v1, meta_v1, networking_v1
from pybernetes.api.models.networking_v1 import IPAddress, ServiceCIDR
from pybernetes.controllers.servicecidrs import ALLOCATOR, FINALIZER, MANAGED_BY, Verdict, containing, judge
from pybernetes.testing.cluster import Cluster


def cidr(name: str, *ranges: str) -> ServiceCIDR:
    return ServiceCIDR(metadata=meta_v1.ObjectMeta(name=name), spec=networking_v1.ServiceCIDRSpec(cidrs=list(ranges)))


def address(name: str, manager: str = ALLOCATOR) -> IPAddress:
    return IPAddress(metadata=meta_v1.ObjectMeta(name=name, labels={MANAGED_BY: manager}))


def service(name: str, cluster_ip: str) -> core_v1.Service:
    return core_v1.Service(
        metadata=meta_v1.ObjectMeta(name=name, namespace="default"),
        spec=core_v1.ServiceSpec(cluster_ip=cluster_ip, ports=[core_v1.ServicePort(port=80)]),
    )


@pytest.mark.parametrize(
    ("others", "addresses", "verdict"),
    [
        ((), (), Verdict.FREE),
        ((), ("10.0.0.5",), Verdict.NEEDED),
        ((), ("10.1.0.5",), Verdict.FREE),
        (("10.0.0.0/16",), ("10.0.0.5",), Verdict.FREE),
        (("10.0.0.0/28",), ("10.0.0.5",), Verdict.FREE),
        (("10.0.0.0/28",), ("10.0.0.5", "10.0.0.77"), Verdict.NEEDED),
        (("10.0.0.0/24",), ("10.0.0.77",), Verdict.FREE),
        (("fd00::/112",), ("10.0.0.77",), Verdict.NEEDED),
        ((), ("10.0.0.255",), Verdict.FREE),
    ],
)
def test_a_range_is_needed_while_an_address_has_no_other(
    others: tuple[str, ...], addresses: tuple[str, ...], verdict: Verdict
) -> None:
    own = cidr("own", "10.0.0.0/24")
    ranges = [own, *(cidr(f"other-{text}", text) for text in others)]
    assert judge(own, ranges, map(address, addresses)) is verdict


def test_addresses_that_others_manage_belong_to_no_range() -> None:
    assert containing(address("10.0.0.5"), [cidr("own", "10.0.0.0/24")]) == ["own"]
    assert containing(address("10.0.0.5", "somebody"), [cidr("own", "10.0.0.0/24")]) == []


async def test_a_range_that_is_used_says_why_it_stays_and_goes_when_it_may(cluster: Cluster) -> None:
    more = await cluster.apply(cidr("more", "10.99.0.0/24"))
    await cluster.settle()
    more = await cluster.get(more)
    assert more.metadata.finalizers == [FINALIZER]
    assert condition(more.status, "Ready").message == "Kubernetes Service CIDR is ready"
    web = await cluster.apply(service("web", "10.99.0.7"))
    await cluster.delete(more)
    await cluster.settle()
    ready = condition((await cluster.get(more)).status, "Ready")
    assert (ready.status, ready.reason) == ("False", "Terminating")
    with pytest.raises(ApiError, match="the provided network does not match the current range"):
        await cluster.apply(service("late", "10.99.0.8"))
    await cluster.delete(web)
    await asyncio.sleep(11)
    await cluster.settle()
    with pytest.raises(ApiError, match="not found"):
        await cluster.get(more)
