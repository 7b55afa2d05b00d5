"""Probes: thresholds as pure values, and each kind of probe against a server on the loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from aiohttp import web

from kubelet.observations import declared
from kubelet.worlds import LoopClock
from pybernetes.api.models.core_v1 import (
    ContainerPort,
    EnvVar,
    ExecAction,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Probe,
    TCPSocketAction,
)
from pybernetes.kubelet import probe_grpc, probes
from pybernetes.kubelet.probes import Finding, Progress, Target, Verdict
from pybernetes.kubelet.runtime import ExecResult, ExecTimeout
from pybernetes.kubelet.runtime.hollow import HollowRuntime

GOOD, BAD = Verdict.SUCCESS, Verdict.FAILURE


@pytest.mark.parametrize(
    ("first", "found", "thresholds", "verdicts"),
    [
        (BAD, [GOOD], (1, 3), [GOOD]),
        (GOOD, [BAD, BAD, BAD], (1, 3), [GOOD, GOOD, BAD]),
        (GOOD, [BAD, BAD, GOOD, BAD, BAD], (1, 3), [GOOD] * 5),
        (BAD, [GOOD, GOOD], (2, 1), [BAD, GOOD]),
        (GOOD, [BAD, Verdict.UNKNOWN, BAD], (1, 2), [GOOD, GOOD, BAD]),
    ],
)
def test_a_verdict_changes_after_so_many_results_in_a_row(
    first: Verdict, found: list[Verdict], thresholds: tuple[int, int], verdicts: list[Verdict]
) -> None:
    progress = Progress(first)
    reached = []
    for result in found:
        progress = progress.after(result, *thresholds)
        reached.append(progress.verdict)
    assert reached == verdicts


class Runtime(HollowRuntime):
    """Answers exec with what it was made with."""

    def __init__(self, answer: ExecResult | Exception) -> None:
        super().__init__(LoopClock())
        self.answer = answer
        self.asked: tuple[object, ...] = ()

    async def exec_sync(self, *arguments: object, **more: object) -> ExecResult:
        self.asked = arguments
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def target() -> Target:
    pod = declared()
    pod.spec.containers[0].ports = [ContainerPort(name="web", container_port=1)]
    return Target(pod, pod.spec.containers[0], "c1", "127.0.0.1")


async def run(probe: Probe, runtime: HollowRuntime | None = None) -> Finding:
    probe.timeout_seconds = 120
    return await probes.run(probe, target(), runtime or Runtime(ExecResult(b"", b"", 0)))


async def test_a_probes_command_sees_the_variables_that_are_stated() -> None:
    runtime = Runtime(ExecResult(b"", b"", 0))
    asked = target()
    asked.container.env = [EnvVar(name="WHERE", value="/tmp/x")]
    await probes.run(Probe(exec=ExecAction(command=["cat", "$(WHERE)", "$(NONE)"])), asked, runtime)
    assert runtime.asked == ("c1", ["cat", "/tmp/x", "$(NONE)"])


async def test_a_command_that_ends_well_is_success() -> None:
    probe = Probe(exec=ExecAction(command=["x"]))
    assert await run(probe, Runtime(ExecResult(b"ok", b"", 0))) == Finding(GOOD, "ok")
    assert await run(probe, Runtime(ExecResult(b"", b"no", 1))) == Finding(BAD, "no")
    assert (await run(probe, Runtime(ExecTimeout("ExecSync", "late")))).verdict is BAD


@asynccontextmanager
async def http_server() -> AsyncIterator[int]:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/elsewhere":
            raise web.HTTPFound("http://example.invalid/")
        if request.path == "/moved":
            raise web.HTTPFound("/?status=204")
        named = request.headers.get("X-Who", "") + request.headers["User-Agent"]
        return web.Response(status=int(request.query.get("status", "200")), text=named)

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    finally:
        await runner.cleanup()


async def test_http_answers_below_400_are_success() -> None:
    async with http_server() as port:
        headers = [HTTPHeader(name="X-Who", value="me-")]
        assert await run(Probe(http_get=HTTPGetAction(port=port, http_headers=headers))) == Finding(
            GOOD, "me-kube-probe/1.36"
        )
        bad = await run(Probe(http_get=HTTPGetAction(port=port, path="/?status=503")))
        assert bad == Finding(BAD, "HTTP probe failed with statuscode: 503")
        assert (await run(Probe(http_get=HTTPGetAction(port=port, path="/moved")))).verdict is GOOD
        elsewhere = await run(Probe(http_get=HTTPGetAction(port=port, path="/elsewhere")))
        assert elsewhere == Finding(GOOD, "Probe terminated redirects, Response body: 302: Found", warning=True)


async def test_a_server_that_speaks_no_tls_or_nothing_at_all_is_failure() -> None:
    async with http_server() as port:
        plain = await run(Probe(http_get=HTTPGetAction(port=port, scheme="HTTPS")))
    expected = f'Get "https://127.0.0.1:{port}/": http: server gave HTTP response to HTTPS client'
    assert plain == Finding(BAD, expected)

    def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        silent = await run(Probe(http_get=HTTPGetAction(port=port)))
    assert silent.verdict is BAD


async def test_a_port_where_nobody_listens_is_failure() -> None:
    async with http_server() as port:
        pass
    http = await run(Probe(http_get=HTTPGetAction(port=port)))
    assert http == Finding(
        BAD, f'Get "http://127.0.0.1:{port}/": dial tcp 127.0.0.1:{port}: connect: connection refused'
    )
    tcp = await run(Probe(tcp_socket=TCPSocketAction(port=port)))
    assert tcp == Finding(BAD, f"dial tcp 127.0.0.1:{port}: connect: connection refused")


async def test_a_port_that_accepts_is_success() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert (await run(Probe(tcp_socket=TCPSocketAction(port=port)))).verdict is GOOD


def test_ports_have_names() -> None:
    assert probes.port_number("web", target().container) == 1
    with pytest.raises(LookupError):
        probes.port_number("none", target().container)


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (b"\x08\x01", Finding(GOOD, "service healthy")),
        (b"\x08\x02", Finding(BAD, 'service unhealthy (responded with "NOT_SERVING")')),
        (b"", Finding(BAD, 'service unhealthy (responded with "UNKNOWN")')),
    ],
)
async def test_grpc_services_say_how_they_are(answer: bytes, finding: Finding) -> None:
    async def check(request: bytes, context: object) -> bytes:
        assert request == probe_grpc.encode_request("db")
        return answer

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(check)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        assert await run(Probe(grpc=GRPCAction(port=port, service="db"))) == finding
    finally:
        await server.stop(0)
