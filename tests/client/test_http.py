from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio
from aiohttp import web

from pybernetes.api.errors import ApiError
from pybernetes.api.models import core_v1
from pybernetes.client import Client, ConnectionSettings, HttpTransport, Informers, Request, Unreachable


class Server:
    """An HTTP server on loopback that remembers how it was asked."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.peers: set[object] = set()
        self.lines: asyncio.Queue[bytes] = asyncio.Queue()
        self.url = ""

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return runner

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        if "watch" in request.query:
            response = web.StreamResponse()
            await response.prepare(request)
            while line := await self.lines.get():
                await response.write(line)
            return response
        if request.path.endswith("/pods"):
            return web.json_response({"metadata": {"resourceVersion": "5"}, "items": []})
        if request.path.endswith("/missing"):
            return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)
        return web.json_response({"metadata": {"name": "n"}})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    runner = await server.start()
    yield server
    server.lines.put_nowait(b"")
    await runner.cleanup()


async def test_requests_share_connections_and_carry_the_token(server: Server) -> None:
    client = Client(HttpTransport(ConnectionSettings(server.url, token="secret", user_agent="test")))
    for _ in range(5):
        assert (await client.get(core_v1.Node, "n")).metadata.name == "n"
    assert len(server.peers) == 1
    assert {request.headers["Authorization"] for request in server.seen} == {"Bearer secret"}
    assert {request.headers["User-Agent"] for request in server.seen} == {"test"}
    await client.close()


async def test_a_token_file_is_read(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("from-file\n")
    client = Client(HttpTransport(ConnectionSettings(server.url, token_file=path)))
    await client.get(core_v1.Node, "n")
    assert server.seen[0].headers["Authorization"] == "Bearer from-file"
    await client.close()


async def test_selectors_arrive_as_they_were_meant(server: Server) -> None:
    client = Client(HttpTransport(ConnectionSettings(server.url)))
    await client.list(core_v1.Pod, "default", label_selector="app in (a, b),!c", field_selector="spec.nodeName=n+1")
    assert dict(server.seen[0].query) == {"labelSelector": "app in (a, b),!c", "fieldSelector": "spec.nodeName=n+1"}
    await client.close()


async def test_a_refusal_is_an_api_error(server: Server) -> None:
    client = Client(HttpTransport(ConnectionSettings(server.url)))
    with pytest.raises(ApiError) as refused:
        await client.get(core_v1.Node, "missing")
    assert refused.value.reason == "NotFound"
    await client.close()


async def test_no_server_is_unreachable() -> None:
    client = Client(HttpTransport(ConnectionSettings("http://127.0.0.1:1")))
    with pytest.raises(Unreachable, match="GET /api/v1/nodes/n"):
        await client.get(core_v1.Node, "n")
    await client.close()


async def test_an_informer_follows_a_watch_over_the_wire(server: Server) -> None:
    client = Client(HttpTransport(ConnectionSettings(server.url)))
    informers = Informers(client, Random(1))
    pods = informers.get(core_v1.Pod)
    heard = asyncio.Event()
    pods.on_change(lambda old, new: heard.set())
    running = asyncio.create_task(informers.run())
    await pods.synced()
    event = {"type": "ADDED", "object": {"metadata": {"name": "a", "namespace": "d", "resourceVersion": "6"}}}
    server.lines.put_nowait(json.dumps(event).encode() + b"\n")
    await heard.wait()
    assert [pod.metadata.name for pod in pods.list("d")] == ["a"]
    watch = next(request for request in server.seen if "watch" in request.query)
    assert watch.query["resourceVersion"] == "5"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await client.close()


async def test_leaving_a_stream_ends_the_exchange(server: Server) -> None:
    transport = HttpTransport(ConnectionSettings(server.url))
    async with transport.stream(Request("GET", "/api/v1/pods", {"watch": "true"})) as stream:
        assert stream.status == 200
    await transport.close()


async def test_watches_do_not_take_the_connections_of_calls(server: Server) -> None:
    transport = HttpTransport(ConnectionSettings(server.url, connections=1))
    client = Client(transport)
    async with AsyncExitStack() as streams:
        for _ in range(5):
            await streams.enter_async_context(transport.stream(Request("GET", "/api/v1/pods", {"watch": "true"})))
        async with asyncio.timeout(120):
            assert (await client.get(core_v1.Node, "n")).metadata.name == "n"
    await client.close()
