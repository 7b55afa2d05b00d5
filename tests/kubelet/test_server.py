"""The kubelet's server, over a runtime whose containers answer in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer

from pybernetes.api.models.core_v1 import (
    Container,
    ContainerState,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodSpec,
    PodStatus,
)
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.api.streams import channels, spdy
from pybernetes.api.streams.channels import Channel, Frame, Protocol
from pybernetes.kubelet.logs import LogPlaces
from pybernetes.kubelet.runtime import ContainerConfig, ExitStatus, Output, SandboxConfig, Stream
from pybernetes.kubelet.runtime.hollow import HollowRuntime
from pybernetes.kubelet.runtime.labels import container_labels, sandbox_labels
from pybernetes.kubelet.server import KubeletServer
from pybernetes.kubelet.server_access import User, needed, user_of_certificate
from pybernetes.kubelet.streaming.multiplexer import Multiplexer, SocketCarrier

TOKEN = {"Authorization": "Bearer good"}


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC)


class EchoSession:
    """Gives back what it gets on stdin, its size on stderr, and ends when stdin is closed."""

    def __init__(self, status: ExitStatus) -> None:
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._status = status
        self.size: tuple[int, int] | None = None
        self.closed = asyncio.Event()

    async def output(self) -> AsyncIterator[Output]:
        total = 0
        while (data := await self._inbox.get()) is not None:
            total += len(data)
            yield Output(Stream.STDOUT, data)
        yield Output(Stream.STDERR, str(total).encode())

    async def write(self, data: bytes) -> None:
        self._inbox.put_nowait(data)

    async def close_stdin(self) -> None:
        self._inbox.put_nowait(None)

    async def resize(self, width: int, height: int) -> None:
        self.size = (width, height)

    async def status(self) -> ExitStatus:
        return self._status

    async def close(self) -> None:
        self.closed.set()


class EchoConnection:
    def __init__(self, port: int) -> None:
        self._inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._port = port

    async def read(self) -> bytes:
        return await self._inbox.get()

    async def write(self, data: bytes) -> None:
        self._inbox.put_nowait(data)

    async def close_write(self) -> None:
        self._inbox.put_nowait(b"")

    async def error(self) -> str:
        return "connection refused" if self._port == 81 else ""

    async def close(self) -> None:
        return


class EchoForward:
    async def connect(self, port: int) -> EchoConnection:
        return EchoConnection(port)

    async def close(self) -> None:
        return


class EchoRuntime(HollowRuntime):
    """Containers whose commands echo. What the session was asked for is kept."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.session = EchoSession(ExitStatus())
        self.asked: dict[str, object] = {}

    @property
    def runs_processes(self) -> bool:
        return True

    async def exec(  # type: ignore[override]
        self,
        container_id: str,
        command: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = True,
        stderr: bool = True,
        tty: bool = False,
    ) -> EchoSession:
        self.asked = {"command": list(command), "stdin": stdin, "stdout": stdout, "stderr": stderr, "tty": tty}
        if not stdin:
            await self.session.close_stdin()
        return self.session

    async def attach(  # type: ignore[override]
        self, container_id: str, *, stdin: bool = False, stdout: bool = True, stderr: bool = True, tty: bool = False
    ) -> EchoSession:
        self.asked = {"stdin": stdin, "stderr": stderr, "tty": tty}
        return self.session

    async def port_forward(self, sandbox_id: str) -> EchoForward:  # type: ignore[override]
        return EchoForward()


class Pods:
    def __init__(self) -> None:
        self.web = Pod(
            metadata=ObjectMeta(name="web", namespace="default", uid="uid-1"),
            spec=PodSpec(containers=[Container(name="main", tty=True), Container(name="waiting")]),
            status=PodStatus(
                container_statuses=[
                    ContainerStatus(
                        name="waiting", state=ContainerState(waiting=ContainerStateWaiting(reason="ErrImagePull"))
                    )
                ]
            ),
        )

    def pods(self) -> list[Pod]:
        return [self.web]

    def pod(self, namespace: str, name: str) -> Pod | None:
        return self.web if (namespace, name) == ("default", "web") else None


class Tokens:
    """One good token, whose user may do everything but proxy when it is called `weak`."""

    async def user_of(self, token: str) -> User | None:
        return User(token) if token in ("good", "weak") else None

    async def allows(self, user: User, verb: str, subresource: str) -> bool:
        return user.name == "good" or subresource != "proxy"


@pytest.fixture
def runtime() -> EchoRuntime:
    return EchoRuntime()


@pytest.fixture
async def client(runtime: EchoRuntime, tmp_path: Path) -> AsyncIterator[TestClient]:
    sandbox = SandboxConfig("web", "default", "uid-1", labels=sandbox_labels("web", "default", "uid-1", {}))
    image = await runtime.pull_image("busybox")
    config = ContainerConfig("main", image, labels=container_labels("web", "default", "uid-1", "main"))
    await runtime.start_container(await runtime.create_container(await runtime.run_sandbox(sandbox), config, sandbox))
    log = tmp_path / "default_web_uid-1" / "main" / "0.log"
    log.parent.mkdir(parents=True)
    log.write_bytes(b"2026-01-01T11:59:59Z stdout F hello\n2026-01-01T12:00:00Z stderr F world\n")
    server = KubeletServer(Pods(), runtime, Clock(), places=LogPlaces(tmp_path, None), access=Tokens())
    async with TestClient(TestServer(server.application()), headers=TOKEN) as client:
        yield client


async def text(client: TestClient, path: str, **headers: str) -> tuple[int, str]:
    async with client.get(path, headers=headers) as answer:
        return answer.status, await answer.text()


async def test_logs_are_given_as_asked(client: TestClient) -> None:
    assert await text(client, "/containerLogs/default/web/main") == (200, "hello\nworld\n")
    assert await text(client, "/containerLogs/default/web/main?tailLines=1&timestamps=true") == (
        200,
        "2026-01-01T12:00:00Z world\n",
    )


@pytest.mark.parametrize(
    ("path", "code", "message"),
    [
        ("/containerLogs/default/gone/main", 404, 'pod "gone" in namespace "default" is not on this node'),
        ("/containerLogs/default/web/none", 404, 'container "none" not found in pod "web_default"'),
        (
            "/containerLogs/default/web/waiting",
            400,
            'container "waiting" in pod "web" is waiting to start: image can\'t be pulled',
        ),
        (
            "/containerLogs/default/web/main?previous=true",
            400,
            'previous terminated container "main" in pod "web" not found',
        ),
        ("/exec/default/web/waiting?command=ls&output=1", 500, 'container not found ("waiting")'),
        ("/exec/default/web/main?command=ls", 400, "you must specify at least 1 of stdin, stdout, stderr"),
        (
            "/exec/default/web/other-uid/main?command=ls&output=1",
            404,
            'pod "web" in namespace "default" is not on this node',
        ),
    ],
)
async def test_refusals_say_why(client: TestClient, path: str, code: int, message: str) -> None:
    assert await text(client, path) == (code, message)


async def exchange(client: TestClient, path: str, protocol: Protocol, *frames: Frame) -> list[Frame]:
    async with client.ws_connect(path, protocols=(protocol.value,)) as socket:
        assert socket.protocol == protocol.value
        for frame in frames:
            message = channels.encode(frame, protocol)
            await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        return [channels.decode(message.data, protocol) async for message in socket]


async def test_exec_ends_when_the_client_closes_its_stdin(client: TestClient, runtime: EchoRuntime) -> None:
    frames = await exchange(
        client,
        "/exec/default/web/main?command=cat&command=-&input=1&output=1&error=1",
        Protocol.V5,
        Frame(Channel.STDIN, b"abc"),
        Frame(Channel.STDIN, closes=True),
    )
    assert frames == [
        Frame(Channel.STDOUT),
        Frame(Channel.STDOUT, b"abc"),
        Frame(Channel.STDERR, b"3"),
        Frame(Channel.ERROR, b'{"metadata":{},"status":"Success"}'),
    ]
    assert runtime.asked == {"command": ["cat", "-"], "stdin": True, "stdout": True, "stderr": True, "tty": False}
    await runtime.session.closed.wait()


async def test_an_exit_code_is_told_in_the_status(client: TestClient, runtime: EchoRuntime) -> None:
    runtime.session = EchoSession(ExitStatus(exit_code=3))
    frames = await exchange(client, "/exec/default/web/main?command=x&stdout=true", Protocol.V4)
    assert b'"causes":[{"reason":"ExitCode","message":"3"}]' in frames[-1].data


async def test_the_oldest_protocols_carry_text_and_no_status_of_success(client: TestClient) -> None:
    frames = await exchange(client, "/exec/default/web/main?command=x&output=1&error=1", Protocol.BASE64)
    assert frames == [Frame(Channel.STDOUT), Frame(Channel.STDERR, b"0")]


async def test_attach_takes_the_terminal_from_the_pod_and_resizes_it(client: TestClient, runtime: EchoRuntime) -> None:
    size = channels.encode_resize(channels.Size(80, 24))
    await exchange(
        client,
        "/attach/default/web/main?input=1&output=1",
        Protocol.V5,
        Frame(Channel.RESIZE, size),
        Frame(Channel.STDIN, closes=True),
    )
    assert runtime.asked["tty"] is True
    assert runtime.session.size == (80, 24)


async def test_a_client_that_leaves_ends_the_session(client: TestClient, runtime: EchoRuntime) -> None:
    path = "/exec/default/web/main?command=cat&input=1&output=1"
    async with client.ws_connect(path, protocols=(Protocol.V5.value,)) as socket:
        await socket.receive()
    await runtime.session.closed.wait()


class SocketEnd:
    """SPDY frames in the client's WebSocket."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        message = await self._socket.receive()
        return bytes(message.data) if message.type is aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)

    async def close(self) -> None:
        await self._socket.close()


async def through_tunnel(tunnel: Multiplexer, request: str, port: str, payload: bytes) -> tuple[bytes, bytes]:
    error = await tunnel.open({"streamtype": "error", "port": port, "requestid": request})
    await error.close_write()
    data = await tunnel.open({"streamtype": "data", "port": port, "requestid": request})
    await data.write(payload)
    await data.close_write()
    return await data.read_all(), await error.read_all()


async def test_ports_are_forwarded_through_a_tunnel_of_spdy(client: TestClient) -> None:
    async with (
        client.ws_connect("/portForward/default/web", protocols=(channels.PORT_FORWARD_TUNNEL,)) as socket,
        Multiplexer(SocketEnd(socket), spdy.Side.CLIENT) as tunnel,
    ):
        answers = await asyncio.gather(
            *(through_tunnel(tunnel, str(n), "80", b"x" * n) for n in range(1, 5)),
            through_tunnel(tunnel, "9", "81", b"y"),
            through_tunnel(tunnel, "10", "http", b"z"),
        )
    assert answers[:4] == [(b"x" * n, b"") for n in range(1, 5)]
    assert answers[4] == (b"y", b"connection refused")
    assert answers[5] == (b"", b"'http' is not a port")


async def test_ports_are_forwarded_over_channels_too(client: TestClient) -> None:
    path = "/portForward/default/web?port=80&port=81"
    async with client.ws_connect(path, protocols=(Protocol.V4.value,)) as socket:
        for expected in ((0, 80), (1, 80), (2, 81), (3, 81)):
            frame = channels.decode((await socket.receive()).data, Protocol.V4)
            assert (frame.channel, int.from_bytes(frame.data, "little")) == expected
        await socket.send_bytes(b"\x02ping")
        assert (await socket.receive()).data == b"\x02ping"


# ---- who may -------------------------------------------------------------------------------------------------------


async def test_health_is_told_to_everyone_and_nothing_else_is(client: TestClient) -> None:
    assert await text(client, "/healthz", Authorization="") == (200, "ok")
    assert await text(client, "/pods", Authorization="") == (401, "Unauthorized")
    assert await text(client, "/pods", Authorization="Bearer bad") == (401, "Unauthorized")
    assert (await text(client, "/pods", Authorization="Bearer weak"))[0] == 200
    code, message = await text(client, "/containerLogs/default/web/main", Authorization="Bearer weak")
    assert (code, "user=weak, verb=get, resource=nodes, subresource(s)=[proxy]" in message) == (403, True)


async def test_running_pods_are_told_with_and_without_a_slash_at_the_end(client: TestClient) -> None:
    code, told = await text(client, "/runningpods/", Authorization="Bearer weak")
    assert (code, '"kind":"PodList"' in told) == (200, True)
    assert await text(client, "/runningpods", Authorization="Bearer weak") == (code, told)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/stats/summary", ("get", "stats")),
        ("GET", "/metrics/resource", ("get", "metrics")),
        ("GET", "/metrics", ("get", "metrics")),
        ("GET", "/healthz/syncloop", ("get", "healthz")),
        ("GET", "/pods", ("get", "pods")),
        ("POST", "/exec/a/b/c", ("create", "proxy")),
        ("GET", "/containerLogs/a/b/c", ("get", "proxy")),
    ],
)
def test_what_a_request_needs_follows_from_its_path(method: str, path: str, expected: tuple[str, str]) -> None:
    assert needed(method, path) == expected


def test_a_certificate_names_its_user_and_groups() -> None:
    certificate = {"subject": ((("organizationName", "system:masters"),), (("commonName", "admin"),))}
    assert user_of_certificate(certificate) == User("admin", ("system:masters",))
    assert user_of_certificate({}) is None
    assert user_of_certificate(None) is None


# ---- clients that speak SPDY ---------------------------------------------------------------------------------------


async def spdy_connection(client: TestClient, path: str, *offered: str) -> tuple[str, Multiplexer]:
    """Upgrade a connection as client libraries of before WebSocket did; the head of the answer and the connection."""
    reader, writer = await asyncio.open_connection(client.server.host, client.server.port)
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0"]
    lines += [f"X-Stream-Protocol-Version: {name}" for name in offered]
    lines += [f"{name}: {value}" for name, value in TOKEN.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    connection = Multiplexer(SocketCarrier(reader, writer), spdy.Side.CLIENT)
    connection.start()
    return head, connection


async def test_exec_over_spdy_gives_stdin_until_it_ends_and_tells_the_exit_code(
    client: TestClient, runtime: EchoRuntime
) -> None:
    runtime.session = EchoSession(ExitStatus(exit_code=4))
    path = "/exec/default/web/main?command=cat&input=1&output=1&error=1"
    head, connection = await spdy_connection(
        client, path, "v5.channel.k8s.io", "v4.channel.k8s.io", "v3.channel.k8s.io"
    )
    assert head.startswith("HTTP/1.1 101")
    assert "X-Stream-Protocol-Version: v4.channel.k8s.io" in head
    streams = {name: await connection.open({"streamType": name}) for name in ("error", "stdin", "stdout", "stderr")}
    await streams["stdin"].write(b"typed")
    await streams["stdin"].close_write()
    assert await streams["stdout"].read_all() == b"typed"
    assert await streams["stderr"].read_all() == b"5"
    assert b'"ExitCode","message":"4"' in await streams["error"].read_all()
    await connection.close()


async def test_a_client_without_a_terminal_attaches_to_a_container_that_has_one(
    client: TestClient, runtime: EchoRuntime
) -> None:
    path = "/attach/default/web/main?input=1&output=1&error=1"
    head, connection = await spdy_connection(client, path, "v4.channel.k8s.io")
    assert head.startswith("HTTP/1.1 101")
    streams = {name: await connection.open({"streamType": name}) for name in ("error", "stdin", "stdout", "stderr")}
    await streams["stdin"].write(b"typed")
    await streams["stdin"].close_write()
    assert await streams["stdout"].read_all() == b"typed"
    assert (runtime.asked["tty"], runtime.asked["stderr"]) == (True, False)
    await connection.close()


async def test_ports_are_forwarded_over_plain_spdy(client: TestClient) -> None:
    head, connection = await spdy_connection(client, "/portForward/default/web", "portforward.k8s.io")
    assert head.startswith("HTTP/1.1 101")
    assert await through_tunnel(connection, "1", "80", b"x") == (b"x", b"")
    assert await through_tunnel(connection, "2", "81", b"y") == (b"y", b"connection refused")
    await connection.close()


async def test_a_client_of_unknown_protocols_is_refused(client: TestClient) -> None:
    path = "/exec/default/web/main?command=cat&output=1"
    head, connection = await spdy_connection(client, path, "v9.channel.k8s.io")
    assert head.startswith("HTTP/1.1 403")
    await connection.close()
