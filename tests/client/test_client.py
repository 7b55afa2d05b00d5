from __future__ import annotations

import asyncio
import json

import pytest

from client.fake_server import Answer, FakeServer, status
from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.client import Client, DirectTransport, Request, Unreachable, WatchType
from pybernetes.client.objects import PatchType

pytestmark = pytest.mark.virtual_time


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def client(server: FakeServer) -> Client:
    return Client(DirectTransport(server.handle))


def config_map(name: str, **data: str) -> core_v1.ConfigMap:
    return core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace="default"), data=data)


async def test_objects_go_out_and_come_back_as_models(client: Client, server: FakeServer) -> None:
    created = await client.create(config_map("a", key="value"))
    assert created.metadata.uid
    assert json.loads(server.requests[0].body)["apiVersion"] == "v1"
    assert server.requests[0].path == "/api/v1/namespaces/default/configmaps"
    found = await client.get(core_v1.ConfigMap, "a", "default")
    assert found == created
    listed = await client.list(core_v1.ConfigMap, label_selector="a=b", limit=5)
    assert listed.items == [created]
    assert listed.resource_version == "1"
    assert server.requests[-1].query == {"labelSelector": "a=b", "limit": "5"}


async def test_refusals_are_raised_with_code_and_reason(client: Client) -> None:
    with pytest.raises(ApiError) as missing:
        await client.get(core_v1.Pod, "nobody", "default")
    assert (missing.value.code, missing.value.reason) == (404, "NotFound")


async def test_an_answer_that_is_no_status_is_still_an_api_error(client: Client, server: FakeServer) -> None:
    server.faults.append(Answer(502, b"<html>bad gateway"))
    with pytest.raises(ApiError) as refused:
        await client.get(core_v1.Pod, "a", "default")
    assert refused.value.code == 502
    assert "bad gateway" in str(refused.value)


async def test_a_read_is_repeated_when_the_server_says_when(client: Client, server: FakeServer) -> None:
    server.put("/api/v1/nodes/n", {})
    busy = status(429, "TooManyRequests")
    busy.headers = {"retry-after": "3"}
    server.faults.extend([busy, busy])
    loop = asyncio.get_running_loop()
    start = loop.time()
    assert (await client.get(core_v1.Node, "n")).metadata.name == "n"
    assert loop.time() - start == pytest.approx(6)


async def test_a_create_is_never_repeated(client: Client, server: FakeServer) -> None:
    busy = status(429, "TooManyRequests")
    busy.headers = {"Retry-After": "3"}
    server.faults.append(busy)
    with pytest.raises(ApiError):
        await client.create(config_map("a"))
    server.faults.append(Unreachable(Request("POST", "/"), "reset"))
    with pytest.raises(Unreachable):
        await client.create(config_map("a"))
    assert len(server.requests) == 2


async def test_a_read_over_a_broken_connection_is_tried_once_more(client: Client, server: FakeServer) -> None:
    server.put("/api/v1/nodes/n", {})
    server.faults.append(Unreachable(Request("GET", "/"), "reset"))
    assert (await client.get(core_v1.Node, "n")).metadata.name == "n"
    server.faults.extend([Unreachable(Request("GET", "/"), "reset")] * 2)
    with pytest.raises(Unreachable):
        await client.get(core_v1.Node, "n")


async def test_deletion_carries_its_options(client: Client, server: FakeServer) -> None:
    created = await client.create(config_map("a"))
    await client.delete(
        core_v1.ConfigMap, "a", "default", grace_period=0, propagation="Foreground", uid=created.metadata.uid
    )
    assert json.loads(server.requests[-1].body) == {
        "kind": "DeleteOptions",
        "apiVersion": "v1",
        "gracePeriodSeconds": 0,
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": created.metadata.uid},
    }


async def test_a_patch_says_what_kind_it_is(client: Client, server: FakeServer) -> None:
    await client.create(config_map("a"))
    patched = await client.patch(core_v1.ConfigMap, "a", "default", {"data": {"x": "y"}}, PatchType.STRATEGIC)
    assert patched.data == {"x": "y"}
    assert server.requests[-1].headers["Content-Type"] == "application/strategic-merge-patch+json"


async def test_watch_lines_are_joined_from_pieces(client: Client, server: FakeServer) -> None:
    lines = [f'{{"type":"{type}","object":{{"metadata":{{"name":"a"}}}}}}\n' for type in ("ADDED", "DELETED")]
    whole = "".join(lines).encode()

    async def pieces():  # type: ignore[no-untyped-def]
        for at in range(0, len(whole), 7):
            yield whole[at : at + 7]

    server.faults.append(Answer(200, pieces()))
    events = [event async for event in client.watch(core_v1.Pod, resource_version="1")]
    assert [event.type for event in events] == [WatchType.ADDED, WatchType.DELETED]
    assert events[0].object.metadata.name == "a"


async def test_a_watch_from_a_version_too_old_is_refused_with_410(client: Client, server: FakeServer) -> None:
    server.put("/api/v1/nodes/n", {})
    server.put("/api/v1/nodes/n", {})
    server.forget_history()
    with pytest.raises(ApiError) as refused:
        async for _ in client.watch(core_v1.Node, resource_version="1"):
            pass
    assert refused.value.code == 410
