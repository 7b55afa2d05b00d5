"""IPAddresses and services that somebody has torn apart are mended, and it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from apiserver.serving import Talk, serving
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.service_findings import Finding, Later, judge_address, judge_ports, judge_service
from pybernetes.store.contract import Delete
from pybernetes.store.memory import MemoryStore

ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
SERVICES = "/api/v1/namespaces/default/services"
LABELS = {"ipaddress.kubernetes.io/ip-family": "IPv4", "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io"}


def service(name: str = "web", *addresses: str, ports: tuple[int, ...] = ()) -> dict[str, Any]:
    rows: list[dict[str, int]] = [{"port": number, "nodePort": number} for number in ports] or [{"port": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"type": "ClusterIP", "clusterIP": addresses[0], "clusterIPs": list(addresses), "ports": rows},
    }


def address(name: str, holder: str = "web", labels: dict[str, str] = LABELS, **reference: str) -> dict[str, Any]:
    parent = {"resource": "services", "namespace": "default", "name": holder, **reference}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"parentRef": parent}}


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with serving() as talk:
        yield talk


async def told(talk: Talk) -> list[tuple[str, str]]:
    items = (await talk.get("/api/v1/namespaces/default/events")).body["items"]
    return [(one["reason"], one["message"]) for one in items]


@pytest.mark.virtual_time
async def test_an_address_that_somebody_deletes_comes_back(talk: Talk) -> None:
    made = (await talk.post(SERVICES, service("web", "10.96.7.7"))).body
    before = (await talk.get(f"{ADDRESSES}/10.96.7.7")).body["metadata"]["uid"]
    assert (await talk.delete(f"{ADDRESSES}/10.96.7.7")).status == 200
    await asyncio.sleep(1)
    again = (await talk.get(f"{ADDRESSES}/10.96.7.7")).body
    assert again["metadata"]["uid"] != before
    assert again["spec"]["parentRef"]["name"] == made["metadata"]["name"]
    assert await told(talk) == [("ClusterIPNotAllocated", "Cluster IP [IPv4]: 10.96.7.7 is not allocated; repairing")]


@pytest.mark.virtual_time
async def test_what_a_service_of_an_older_store_carries_is_held_after_a_start() -> None:
    store = MemoryStore()
    async with serving(store) as talk:
        await talk.post(SERVICES, service("web", "10.96.7.7"))
    await store.transact(require=(), write=(Delete("/registry/ipaddresses/10.96.7.7"),))
    again = assemble(store, random=Random(7))
    await again.start()
    await asyncio.sleep(1)
    assert (await Talk(again).get(f"{ADDRESSES}/10.96.7.7")).status == 200
    await again.stop()


@pytest.mark.virtual_time
async def test_addresses_of_others_are_left_alone(talk: Talk) -> None:
    assert (await talk.post(ADDRESSES, address("10.99.0.1", "nobody", {}))).status == 201
    await asyncio.sleep(120)
    assert (await talk.get(f"{ADDRESSES}/10.99.0.1")).status == 200


@pytest.mark.virtual_time
async def test_a_finding_about_the_allocators_own_is_carried_out(talk: Talk) -> None:
    foreign = address("10.99.0.1", group="example.org")
    assert (await talk.post(ADDRESSES, foreign)).status == 201
    await asyncio.sleep(1)
    assert (await talk.get(f"{ADDRESSES}/10.99.0.1")).status == 404
    assert await told(talk) == [
        (
            "IPAddressNotAllocated",
            "IPAddress 10.99.0.1 appears to have been modified, not referencing a Service "
            "&ParentReference{Group:example.org,Resource:services,Namespace:default,Name:web,}: cleaning up",
        )
    ]


def test_an_address_without_a_service_has_a_minute() -> None:
    assert judge_address(address("10.96.7.7"), None, 20.0) == Later(41.0)
    leaked = judge_address(address("10.96.7.7"), None, 61.0)
    assert isinstance(leaked, Finding)
    assert leaked.delete
    assert leaked.message == "IPAddress: 10.96.7.7 for Service default/web appears to have leaked: cleaning up"


def test_an_address_that_its_service_does_not_carry_goes() -> None:
    other = service("web", "10.96.7.8")
    assert judge_address(address("10.96.7.7"), other, 1.0) == Later(5.0)
    wrong = judge_address(address("10.96.7.7"), other, 6.0)
    assert isinstance(wrong, Finding)
    assert (wrong.reason, wrong.delete) == ("IPAddressWrongReference", True)
    assert judge_address(address("10.96.7.8"), other, 6.0) is None


def test_an_address_that_names_nobody_is_made_anew_for_the_service_that_carries_it() -> None:
    own = service("web", "10.96.7.7")
    finding = judge_service(own, "10.96.7.7", address("10.96.7.7", "gone"), None)
    assert finding is not None
    assert (finding.delete, finding.create) == (True, True)
    assert finding.message.endswith("for Service default/web has a wrong reference; repairing")


def test_an_address_of_two_services_is_only_told_of() -> None:
    own, other = service("web", "10.96.7.7"), service("other", "10.96.7.7")
    finding = judge_service(own, "10.96.7.7", address("10.96.7.7", "other"), other)
    assert finding is not None
    assert (finding.reason, finding.delete, finding.create) == ("ClusterIPAlreadyAllocated", False, False)


def test_ports_of_two_services_and_ports_past_the_range_are_told_of() -> None:
    services = [service("a", "10.96.0.9", ports=(30001, 30002)), service("b", "10.96.0.8", ports=(30002, 80))]
    found = [(one.about["metadata"]["name"], one.message) for one in judge_ports(services, 30000, 32767)]
    assert found == [
        ("b", "Port 80 is not within the port range 30000-32767; please recreate service"),
        ("b", "Port 30002 was assigned to multiple services; please recreate service"),
    ]
