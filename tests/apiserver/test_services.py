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
