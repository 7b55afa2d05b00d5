"""The proxies between an unmodified client and a small kubelet: real connections, TLS behind."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import WSMsgType, web

from pybernetes.api.streams import channels
from pybernetes.api.streams.channels import Channel, Frame, Protocol
from pybernetes.apiserver import metrics_api
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.auth.contract import EveryoneIs, User
from pybernetes.apiserver.auth.pki import Pki, client_context, serving_context
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.proxy.install import install
from pybernetes.apiserver.serve import Edge
from pybernetes.store.contract import Put
from pybernetes.store.memory import MemoryStore

ADMIN = User("admin", groups=("system:masters",))
DEPTH = 300_000


@dataclass
class SmallKubelet:
    """Echoes: what it was asked, and what is typed into it."""

    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/containerLogs/{rest:.*}", self.logs)
        app.router.add_route("*", "/exec/{rest:.*}", self.exec)
        app.router.add_get("/stats/summary", self.summary)
        app.router.add_route("*", "/hello/{rest:.*}", self.hello)
        return app

    def note(self, request: web.Request) -> None:
        self.asked.append((request.path, {name: request.query.getall(name) for name in request.query}))
        self.headers.append(dict(request.headers))

    async def logs(self, request: web.Request) -> web.StreamResponse:
        self.note(request)
        if "missing" in request.path:
            return web.Response(status=404, text="that log is gone")
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"first\n")
        await response.write(b"second\n")
        return response

    async def exec(self, request: web.Request) -> web.StreamResponse:
        self.note(request)
        if "refuse" in request.query.getall("command"):
            return web.Response(status=500, text="no such command here")
        socket = web.WebSocketResponse(protocols=(Protocol.V5, Protocol.V4), max_msg_size=0)
        await socket.prepare(request)
        protocol = Protocol(socket.ws_protocol or "")
        async for message in socket:
            if message.type is not WSMsgType.BINARY:
                continue
            frame = channels.decode(message.data, protocol)
            if frame.closes or frame.data == b"end":
                status = orjson.dumps(channels.exit_status(3))
                await socket.send_bytes(encoded(Frame(Channel.ERROR, status), protocol))
                break
            await socket.send_bytes(encoded(Frame(Channel.STDOUT, frame.data.upper()), protocol))
        await socket.close()
        return socket

    async def summary(self, request: web.Request) -> web.Response:
        self.note(request)
        cpu = {"time": "2026-01-01T00:00:00Z", "usageNanoCores": 5000000}
        measured = {"cpu": cpu, "memory": {"workingSetBytes": 4096}}
        reference = {"name": "web", "namespace": "default", "uid": "pod-uid"}
        pods = [{"podRef": reference, "containers": [{"name": "main", **measured}], **measured}]
        return web.json_response({"node": {"nodeName": "n1", **measured}, "pods": pods})

    async def hello(self, request: web.Request) -> web.Response:
        self.note(request)
        if request.path.endswith("away"):
            return web.Response(status=302, headers={"Location": "/hello/there"})
        if request.path.endswith("nothing"):
            return web.Response(status=204)
        if request.path.endswith("page"):
            allowed = {"Access-Control-Allow-Origin": "*", "X-Own": "1"}
            return web.Response(text='<a href="/hello/there">', content_type="text/html", headers=allowed)
        return web.Response(text=f"hello {request.path_qs}", headers={"X-Method": request.method})


def encoded(frame: Frame, protocol: Protocol) -> bytes:
    message = channels.encode(frame, protocol)
    return message if isinstance(message, bytes) else message.encode()


@dataclass
class World:
    url: str
    kubelet: SmallKubelet
    http: aiohttp.ClientSession

    def path(self, rest: str) -> str:
        return f"{self.url}/api/v1/namespaces/default/pods/{rest}"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    pki = Pki(tmp_path)
    kubelet = SmallKubelet()
    runner = web.AppRunner(kubelet.application())
    await runner.setup()
    tls = serving_context(pki.kubelet_serving("n1", ["127.0.0.1"]), pki.ca_file)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    store = MemoryStore()
    for key, document in _objects(int(runner.addresses[0][1])):
        await store.transact(write=[Put(f"/registry/{key}", orjson.dumps(document))])
    assembled = assemble(store, authenticator=EveryoneIs(ADMIN))
    tls = client_context(pki.apiserver_kubelet_client(), pki.ca_file)
    behind = install(assembled.server, tls, may_dial=lambda host: True)
    describe(assembled.server, address="127.0.0.1:0", version="v1.36.0", virtual=metrics_api.SERVED)
    await assembled.start()
    edge = Edge(assembled.server, port=0)
    await edge.start()
    async with aiohttp.ClientSession() as http:
        yield World(f"http://127.0.0.1:{edge.address[1]}", kubelet, http)
    await behind.close()
    await edge.stop()
    await assembled.stop()
    await runner.cleanup()
    await store.close()


def _objects(port: int) -> list[tuple[str, dict[str, Any]]]:
    created = datetime(2026, 1, 1, tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def metadata(name: str, namespace: str = "", uid: str = "") -> dict[str, str]:
        named = {"name": name, "namespace": namespace, "uid": uid or f"{name}-uid", "creationTimestamp": created}
        return {key: value for key, value in named.items() if value}

    def pod(name: str, containers: list[str], node: str, uid: str) -> tuple[str, dict[str, Any]]:
        spec = {"nodeName": node, "containers": [{"name": one, "image": "x"} for one in containers]}
        status = {"phase": "Running", "podIP": "127.0.0.1"}
        return f"pods/default/{name}", {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata(name, "default", uid),
            "spec": spec,
            "status": status,
        }

    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata("n1"),
        "spec": {},
        "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        },
    }
    return [
        ("minions/n1", node),
        pod("web", ["main"], "n1", "pod-uid"),
        pod("two", ["a", "b"], "n1", "two-uid"),
        pod("waiting", ["main"], "", "waiting-uid"),
    ]


async def test_a_log_comes_through_with_its_options(world: World) -> None:
    async with world.http.get(world.path("web/log?tailLines=5&follow=true&timestamps=1")) as answer:
        assert answer.status == 200
        assert await answer.text() == "first\nsecond\n"
    path, query = world.kubelet.asked[0]
    assert path == "/containerLogs/default/web/main"
    assert query == {"follow": ["true"], "timestamps": ["true"], "tailLines": ["5"]}


@pytest.mark.parametrize(
    ("rest", "code", "message"),
    [
        ("two/log", 400, "a container name must be specified for pod two, choose one of: [a b]"),
        ("web/log?container=what", 400, "container what is not valid for pod web"),
        ("gone/log", 404, 'pods "gone" not found'),
        ("web/log?tailLines=-1", 422, "must be greater than or equal to 0"),
        ("web/exec?command=ls", 400, "you must specify at least one of stdin, stdout, stderr"),
        ("web/exec?stdout=1", 400, "you must specify at least 1 command"),
        ("web/exec?command=ls&stdout=1", 400, "Upgrade request required"),
        ("waiting/exec?command=ls&stdout=1", 400, "pod waiting does not have a host assigned"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_upstreams_words(
    world: World, rest: str, code: int, message: str
) -> None:
    async with world.http.get(world.path(rest)) as answer:
        assert answer.status == code
        assert message in (await answer.json())["message"]
    assert world.kubelet.asked == []


async def test_the_log_of_a_pod_without_a_node_is_empty(world: World) -> None:
    async with world.http.get(world.path("waiting/log")) as answer:
        assert (answer.status, await answer.text()) == (204, "")


async def test_exec_passes_every_byte_and_the_subprotocol(world: World) -> None:
    url = world.path("web/exec?command=cat&command=-&stdin=1&stdout=1")
    async with world.http.ws_connect(url, protocols=("v5.channel.k8s.io", "v4.channel.k8s.io"), max_msg_size=0) as ws:
        assert ws.protocol == "v5.channel.k8s.io"
        await ws.send_bytes(b"\x00" + b"a" * DEPTH)
        assert await ws.receive_bytes(timeout=120) == b"\x01" + b"A" * DEPTH
        await ws.send_bytes(b"\xff\x00")
        status = await ws.receive_bytes(timeout=120)
        assert orjson.loads(status[1:])["reason"] == "NonZeroExitCode"
        assert (await ws.receive(timeout=120)).type in (WSMsgType.CLOSE, WSMsgType.CLOSED)
    path, query = world.kubelet.asked[0]
    assert path == "/exec/default/web/main"
    assert query == {"input": ["1"], "output": ["1"], "command": ["cat", "-"]}


async def test_credentials_stay_at_the_api_server(world: World) -> None:
    headers = {"Authorization": "Bearer secret", "Impersonate-User": "jane", "Cookie": "a=b", "X-Kept": "yes"}
    async with world.http.get(f"{world.url}/api/v1/nodes/n1/proxy/hello/x", headers=headers) as answer:
        assert answer.status == 200
    seen = {name.lower() for name in world.kubelet.headers[0]}
    assert "x-kept" in seen
    assert seen.isdisjoint({"authorization", "impersonate-user"})


async def test_a_refusal_of_the_kubelet_reaches_the_client(world: World) -> None:
    url = world.path("web/exec?command=refuse&stdout=1")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await world.http.ws_connect(url, protocols=("v5.channel.k8s.io",))
    assert refused.value.status == 500


async def test_the_server_goes_on_after_a_client_went_away_in_the_middle(world: World) -> None:
    url = world.path("web/exec?command=cat&stdin=1&stdout=1")
    for _ in range(3):
        ws = await world.http.ws_connect(url, protocols=("v5.channel.k8s.io",))
        await ws.send_bytes(b"\x00abc")
        ws._response.close()
    async with world.http.get(world.path("web/log")) as answer:
        assert answer.status == 200


async def test_kubectl_runs_a_command_with_input_and_reads_a_log(world: World) -> None:
    shown = await _kubectl(world, "exec", "-i", "web", "--", "cat", given=b"typed")
    assert shown == (3, b"TYPED")
    assert await _kubectl(world, "logs", "web") == (0, b"first\nsecond\n")
    code, shown = await _kubectl(world, "top", "pods")
    assert (code, shown.split()[-3:]) == (0, [b"web", b"5m", b"0Mi"])


async def _kubectl(world: World, *arguments: str, given: bytes = b"") -> tuple[int | None, bytes]:
    process = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("kubectl"),
        f"--server={world.url}",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )
    shown, _ = await process.communicate(given)
    return process.returncode, shown


async def test_a_log_over_a_websocket_comes_in_messages(world: World) -> None:
    async with world.http.ws_connect(world.path("web/log"), protocols=("binary.k8s.io",)) as ws:
        received = b"".join([message.data async for message in ws if message.type is WSMsgType.BINARY])
    assert received == b"first\nsecond\n"


async def test_nodes_and_pods_are_proxied_with_query_and_redirects(world: World) -> None:
    port = await _kubelet_port(world)
    async with world.http.get(f"{world.url}/api/v1/nodes/n1:{port}/proxy/hello/a?b=c&b=d") as answer:
        assert await answer.text() == "hello /hello/a?b=c&b=d"
    away = f"/api/v1/namespaces/default/pods/https:web:{port}/proxy/hello/away"
    async with world.http.get(world.url + away, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer.headers["Location"] == f"/api/v1/namespaces/default/pods/https:web:{port}/proxy/hello/there"


async def test_pages_lead_through_the_proxy_and_servers_learn_who_asks(world: World) -> None:
    root = f"/api/v1/namespaces/default/pods/https:web:{await _kubelet_port(world)}/proxy"
    headers = {"Cookie": "a=b", "X-Forwarded-For": "192.0.2.1"}
    async with world.http.get(f"{world.url}{root}/hello//page", headers=headers) as answer:
        body = await answer.text()
        assert body == f'<a href="{root}/hello/there">'
        assert answer.headers["X-Own"] == "1"
        assert answer.headers["Content-Length"] == str(len(body))
        assert "Access-Control-Allow-Origin" not in answer.headers
    seen = world.kubelet.headers[0]
    assert seen["X-Forwarded-Uri"] == f"{root}/hello/page"
    assert seen["X-Forwarded-For"] == "192.0.2.1, 127.0.0.1"
    assert seen["Host"] == world.url.removeprefix("http://")
    assert seen["Cookie"] == "a=b"


async def test_an_answer_without_a_body_ends_with_its_head(world: World) -> None:
    root = f"{world.url}/api/v1/namespaces/default/pods/https:web:{await _kubelet_port(world)}/proxy"
    for _ in range(2):
        async with world.http.get(f"{root}/hello/nothing") as answer:
            assert (answer.status, await answer.read()) == (204, b"")
            assert "Transfer-Encoding" not in answer.headers


async def test_a_server_that_cannot_be_reached_is_a_service_that_is_unavailable(world: World) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        async with world.http.get(f"{world.url}/api/v1/namespaces/default/pods/web:{port}/proxy/") as answer:
            assert answer.status == 503
            why = f"error trying to reach service: dial tcp 127.0.0.1:{port}: connect: connection refused"
            assert (await answer.json())["message"] == why


@pytest.mark.parametrize("method", ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"])
async def test_every_method_is_proxied_and_a_bare_path_gains_its_slash(world: World, method: str) -> None:
    port = await _kubelet_port(world)
    root = f"{world.url}/api/v1/namespaces/default/pods/https:web:{port}/proxy"
    async with world.http.request(method, f"{root}/hello/x?method={method}", data=b"body") as answer:
        assert (answer.status, answer.headers["X-Method"]) == (200, method)
        assert await answer.text() == ("" if method == "HEAD" else f"hello /hello/x?method={method}")
    async with world.http.request(method, f"{root}?method={method}", allow_redirects=False) as answer:
        if method in ("GET", "HEAD"):
            assert answer.status == 301
            assert answer.headers["Location"].endswith(f"/proxy/?method={method}")
        else:
            assert answer.status == 404


async def test_any_upgrade_passes_byte_for_byte_with_a_body_less_post(world: World) -> None:
    heads: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nfirst")
        while data := await reader.read(4096):
            writer.write(data[::-1])
        writer.close()

    backend = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    path = f"/api/v1/namespaces/default/pods/web:{port}/proxy/talk"
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        "X-Stream-Protocol-Version: v4.channel.k8s.io\r\nX-Stream-Protocol-Version: channel.k8s.io\r\n"
        "Content-Length: 0\r\n\r\n".encode()
    )
    answered = await reader.readuntil(b"\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 101 ")
    assert await reader.readexactly(5) == b"first"
    writer.write(b"\x80\x03abc")
    assert await reader.readexactly(5) == b"cba\x03\x80"
    assert heads[0].count(b"X-Stream-Protocol-Version") == 2
    writer.close()
    backend.close()


async def test_metrics_tell_what_nodes_and_pods_use(world: World) -> None:
    root = f"{world.url}/apis/{metrics_api.GROUP}/{metrics_api.VERSION}"
    async with world.http.get(f"{root}/nodes") as answer:
        assert (await answer.json())["items"][0]["usage"] == {"cpu": "5000000n", "memory": "4Ki"}
    answers = await asyncio.gather(*(world.http.get(f"{root}/namespaces/default/pods/web") for _ in range(5)))
    for one in answers:
        assert (await one.json())["containers"] == [{"name": "main", "usage": {"cpu": "5000000n", "memory": "4Ki"}}]
    assert len(world.kubelet.asked) == 1


async def _kubelet_port(world: World) -> int:
    async with world.http.get(f"{world.url}/api/v1/nodes/n1") as answer:
        port: int = (await answer.json())["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"]
        return port
