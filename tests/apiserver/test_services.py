"""Services through the server: addresses under many writers, after a restart, and after a deletion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from apiserver.serving import Talk, serving
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.options import ServerOptions
from pybernetes.store.sqlite import SqliteStore

SERVICES = "/api/v1/namespaces/default/services"


def service(name: str, **spec: Any) -> dict[str, Any]:
    ports = [{"port": 80}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"ports": ports, **spec}}


@pytest.fixture
async def talk() -> AsyncIterator[Talk]:
    async with serving() as talk:
        yield talk


async def test_services_made_at_once_share_no_address_and_no_port(talk: Talk) -> None:
    answers = await asyncio.gather(*(talk.post(SERVICES, service(f"s{n}", type="NodePort")) for n in range(60)))
    assert {answer.status for answer in answers} == {201}
    specs = [answer.body["spec"] for answer in answers]
    assert len({spec["clusterIP"] for spec in specs}) == 60
    assert len({spec["ports"][0]["nodePort"] for spec in specs}) == 60


async def test_of_many_who_ask_for_one_address_one_gets_it(talk: Talk) -> None:
    asked = (talk.post(SERVICES, service(f"s{n}", clusterIP="10.96.7.7")) for n in range(20))
    statuses = [answer.status for answer in await asyncio.gather(*asked)]
    assert sorted(statuses) == [201, *[422] * 19]


async def test_a_dry_run_holds_nothing(talk: Talk) -> None:
    assert (await talk.post(SERVICES, service("s", clusterIP="10.96.7.7"), dryRun="All")).status == 201
    assert (await talk.post(SERVICES, service("s", clusterIP="10.96.7.7"))).status == 201


async def test_a_name_that_is_taken_gives_the_address_back(talk: Talk) -> None:
    assert (await talk.post(SERVICES, service("s"))).status == 201
    assert (await talk.post(SERVICES, service("s", clusterIP="10.96.7.7"))).status == 409
    assert (await talk.post(SERVICES, service("other", clusterIP="10.96.7.7"))).status == 201


async def test_a_deleted_service_gives_its_address_back(talk: Talk) -> None:
    assert (await talk.post(SERVICES, service("s", clusterIP="10.96.7.7"))).status == 201
    assert (await talk.delete(f"{SERVICES}/s")).status == 200
    assert (await talk.post(SERVICES, service("again", clusterIP="10.96.7.7"))).status == 201


async def test_an_external_name_gives_its_address_back(talk: Talk) -> None:
    assert (await talk.post(SERVICES, service("s", clusterIP="10.96.7.7"))).status == 201
    patch = {"spec": {"type": "ExternalName", "externalName": "example.org", "clusterIP": None, "clusterIPs": None}}
    changed = await talk.patch(f"{SERVICES}/s", patch)
    assert (changed.status, "clusterIP" in changed.body["spec"]) == (200, False)
    assert (await talk.post(SERVICES, service("other", clusterIP="10.96.7.7"))).status == 201


async def test_a_restart_forgets_no_address(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path)
    async with serving(store) as talk:
        held = (await talk.post(SERVICES, service("s", type="NodePort"))).body["spec"]
    await store.close()
    store = await SqliteStore.open(path)
    assembled = assemble(store, random=Random(7))
    await assembled.start()
    again = Talk(assembled)
    refused = await again.post(SERVICES, service("other", clusterIP=held["clusterIP"]))
    assert refused.status == 422
    assert "provided IP is already allocated" in refused.message
    refused = await again.post(SERVICES, service("other", type="NodePort", ports=held["ports"]))
    assert "provided port is already allocated" in refused.message
    await assembled.stop()
    await store.close()


ADDRESSES = "/apis/networking.k8s.io/v1/ipaddresses"
RANGES = "/apis/networking.k8s.io/v1/servicecidrs"
BOTH = "10.96.0.0/16,fd00:10:96::/112"


async def held_by(talk: Talk) -> dict[str, str]:
    """Who holds which address, as IPAddresses say."""
    items = (await talk.get(ADDRESSES)).body["items"]
    return {one["metadata"]["name"]: one["spec"]["parentRef"]["name"] for one in items}


async def test_an_address_and_its_service_are_written_in_one_transaction(talk: Talk) -> None:
    made = (await talk.post(SERVICES, service("s"))).body
    address = (await talk.get(f"{ADDRESSES}/{made['spec']['clusterIP']}")).body
    assert address["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert address["metadata"]["labels"] == {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    assert address["spec"] == {"parentRef": {"resource": "services", "namespace": "default", "name": "s"}}
    (manager,) = address["metadata"]["managedFields"]
    assert (manager["manager"], manager["operation"]) == ("kube-apiserver", "Update")


async def test_addresses_go_with_their_service_and_so_do_its_endpoints(talk: Talk) -> None:
    await talk.post(SERVICES, service("s", clusterIP="10.96.7.7"))
    endpoints = {"metadata": {"name": "s"}, "subsets": [{"addresses": [{"ip": "1.2.3.4"}]}]}
    await talk.post("/api/v1/namespaces/default/endpoints", endpoints)
    assert (await held_by(talk))["10.96.7.7"] == "s"
    await talk.delete(f"{SERVICES}/s")
    assert "10.96.7.7" not in await held_by(talk)
    assert (await talk.get("/api/v1/namespaces/default/endpoints/s")).status == 404


async def test_a_service_that_is_refused_leaves_no_address_and_no_port(talk: Talk) -> None:
    before = await held_by(talk)
    ports = [{"port": 80, "nodePort": 30123, "protocol": "X"}]
    refused = await talk.post(SERVICES, service("s", clusterIP="10.96.7.7", type="NodePort", ports=ports))
    assert refused.status == 422
    assert await held_by(talk) == before
    ports[0]["protocol"] = "TCP"
    assert (await talk.post(SERVICES, service("s", clusterIP="10.96.7.7", type="NodePort", ports=ports))).status == 201


async def test_a_dry_run_shows_the_network_for_an_address_and_numbers_past_the_range(talk: Talk) -> None:
    ports = [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]
    spec = (await talk.post(SERVICES, service("s", type="NodePort", ports=ports), dryRun="All")).body["spec"]
    assert spec["clusterIPs"] == ["10.96.0.0"]
    assert [port["nodePort"] for port in spec["ports"]] == [32769, 32770]


async def test_the_server_keeps_the_range_it_was_started_with_as_an_object(talk: Talk) -> None:
    found = (await talk.get(f"{RANGES}/kubernetes")).body
    assert found["spec"] == {"cidrs": ["10.96.0.0/16"]}
    (ready,) = found["status"]["conditions"]
    assert (ready["type"], ready["status"]) == ("Ready", "True")
    assert ready["message"] == "Kubernetes default Service CIDR is ready"


async def test_a_further_range_gives_addresses_when_the_first_is_full() -> None:
    async with serving(options=ServerOptions(service_cidr="10.96.0.0/29")) as talk:
        for number in range(5):
            assert (await talk.post(SERVICES, service(f"s{number}"))).status == 201
        full = await talk.post(SERVICES, service("full"))
        assert full.status == 500
        assert full.message == (
            'Internal error occurred: failed to allocate a serviceIP for Service "full": range is full'
        )
        cidr = {"metadata": {"name": "more"}, "spec": {"cidrs": ["10.97.0.0/24"]}}
        assert (await talk.post(RANGES, cidr)).status == 201
        await talk.server.watch_cache.at_least(talk.server.store.revision)
        assert (await talk.post(SERVICES, service("s6"))).body["spec"]["clusterIP"].startswith("10.97.0.")
        asked = await talk.post(SERVICES, service("s7", clusterIP="10.97.0.255"))
        assert "failed to allocate IP 10.97.0.255: the provided network does not match" in asked.message


@pytest.mark.parametrize(
    ("spec", "families", "policy"),
    [
        ({}, ["IPv4"], "SingleStack"),
        ({"ipFamilies": ["IPv6"]}, ["IPv6"], "SingleStack"),
        ({"ipFamilyPolicy": "PreferDualStack"}, ["IPv4", "IPv6"], "PreferDualStack"),
        ({"ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6"]}, ["IPv6", "IPv4"], "RequireDualStack"),
        ({"clusterIP": "None"}, ["IPv4", "IPv6"], "RequireDualStack"),
        ({"clusterIP": "None", "selector": {"a": "b"}}, ["IPv4"], "SingleStack"),
    ],
)
async def test_a_server_of_both_families_gives_addresses_as_the_service_says(
    spec: dict[str, Any], families: list[str], policy: str
) -> None:
    async with serving(options=ServerOptions(service_cidr=BOTH)) as talk:
        made = (await talk.post(SERVICES, service("s", **spec))).body["spec"]
        assert (made["ipFamilies"], made["ipFamilyPolicy"]) == (families, policy)
        if spec.get("clusterIP") != "None":
            assert ["IPv6" if ":" in one else "IPv4" for one in made["clusterIPs"]] == families


async def test_a_second_family_comes_and_goes_with_the_policy() -> None:
    async with serving(options=ServerOptions(service_cidr=BOTH)) as talk:
        first = (await talk.post(SERVICES, service("s"))).body["spec"]["clusterIP"]
        both = (await talk.patch(f"{SERVICES}/s", {"spec": {"ipFamilyPolicy": "RequireDualStack"}})).body["spec"]
        assert both["clusterIPs"][0] == first
        second = both["clusterIPs"][1]
        assert {first, second} <= (await held_by(talk)).keys()
        dropped = {"ipFamilies": ["IPv4"], "clusterIPs": [first]}
        refused = await talk.patch(f"{SERVICES}/s", {"spec": dropped})
        assert refused.message == (
            'Service "s" is invalid: [spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
            "must be 'SingleStack' to release the secondary cluster IP, "
            'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
            "must be 'SingleStack' to release the secondary IP family]"
        )
        one = (await talk.patch(f"{SERVICES}/s", {"spec": {"ipFamilyPolicy": "SingleStack"}})).body["spec"]
        assert one["clusterIPs"] == [first]
        assert second not in await held_by(talk)


async def test_endpoints_are_served_with_a_word_about_their_end(talk: Talk) -> None:
    answer = await talk.get("/api/v1/namespaces/default/endpoints/none")
    assert answer.status == 404
    assert answer.response.warnings == ("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",)
