"""Probes: when a result counts, and how each kind of probe asks.

Guarantees  `Progress` is pure: results in, verdict out, with upstream's thresholds. `run` never raises for what a
            probe may find; it answers a Finding with upstream's words.
Follows     pkg/kubelet/prober and pkg/probe.
"""

from __future__ import annotations

import asyncio
import enum
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache

import aiohttp

from pybernetes.api.models.core_v1 import Container, ExecAction, GRPCAction, HTTPGetAction, Pod, Probe, TCPSocketAction

from . import expansion, probe_grpc
from .runtime import ExecTimeout, Runtime, RuntimeFailure

USER_AGENT = "kube-probe/1.36"
MAX_BODY = 10 << 10


class ProbeType(enum.StrEnum):
    LIVENESS = "Liveness"
    READINESS = "Readiness"
    STARTUP = "Startup"


class Verdict(enum.Enum):
    UNKNOWN = enum.auto()
    SUCCESS = enum.auto()
    FAILURE = enum.auto()


INITIAL: Mapping[ProbeType, Verdict] = {
    ProbeType.LIVENESS: Verdict.SUCCESS,
    ProbeType.READINESS: Verdict.FAILURE,
    ProbeType.STARTUP: Verdict.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One run of a probe; UNKNOWN means that the probe itself could not run. A warning is told of a success."""

    verdict: Verdict
    output: str = ""
    warning: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The verdict so far, and how often in a row the last result was found."""

    verdict: Verdict
    last: Verdict | None = None
    run: int = 0

    def after(self, found: Verdict, success_threshold: int, failure_threshold: int) -> Progress:
        if found is Verdict.UNKNOWN:
            return self
        run = self.run + 1 if found is self.last else 1
        threshold = success_threshold if found is Verdict.SUCCESS else failure_threshold
        verdict = found if run >= threshold else self.verdict
        return replace(self, verdict=verdict, last=found, run=run)


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask."""

    pod: Pod
    container: Container
    container_id: str
    ip: str


async def run(probe: Probe, target: Target, runtime: Runtime, environment: Mapping[str, str] | None = None) -> Finding:
    timeout = float(probe.timeout_seconds or 1)
    if probe.exec is not None:
        return await run_exec(probe.exec, target, runtime, timeout)
    if probe.http_get is not None:
        return await run_http(probe.http_get, target, timeout)
    if probe.tcp_socket is not None:
        return await run_tcp(probe.tcp_socket, target, timeout)
    if probe.grpc is not None:
        return await run_grpc(probe.grpc, target, timeout)
    return Finding(Verdict.UNKNOWN, "missing probe handler")


async def run_exec(action: ExecAction, target: Target, runtime: Runtime, timeout: float) -> Finding:
    stated = expansion.from_mappings({one.name: one.value or "" for one in target.container.env or ()})
    command = expansion.expand_all(action.command or (), stated)
    try:
        result = await runtime.exec_sync(target.container_id, command, timeout=timeout)
    except ExecTimeout as error:
        return Finding(
            Verdict.FAILURE,
            f'command timed out: "{" ".join(command)}" timed out after {timeout:g}s: {error.message}',
        )
    except RuntimeFailure as error:
        return Finding(Verdict.UNKNOWN, str(error))
    output = (result.stdout + result.stderr)[:MAX_BODY].decode("utf-8", "replace")
    return Finding(Verdict.SUCCESS if result.exit_code == 0 else Verdict.FAILURE, output)


async def run_http(action: HTTPGetAction, target: Target, timeout: float) -> Finding:
    try:
        port = port_number(action.port, target.container)
    except LookupError as error:
        return Finding(Verdict.UNKNOWN, str(error))
    url = http_url(action, action.host or target.ip, port)
    headers = {"User-Agent": USER_AGENT, "Accept": "*/*"}
    for header in action.http_headers or ():
        headers[header.name] = header.value or ""
    status, body = await http_get(url, headers, timeout)
    if status is None:
        return Finding(Verdict.FAILURE, body)
    if 200 <= status < 300:
        return Finding(Verdict.SUCCESS, body)
    if 300 <= status < 400:
        return Finding(Verdict.SUCCESS, f"Probe terminated redirects, Response body: {body}", warning=True)
    return Finding(Verdict.FAILURE, f"HTTP probe failed with statuscode: {status}")


def http_url(action: HTTPGetAction, host: str, port: int) -> str:
    scheme = (action.scheme or "HTTP").lower()
    path = action.path or "/"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}{path if path.startswith('/') else '/' + path}"


_NOT_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""What reading plain HTTP as TLS ends with."""


@cache
def _insecure() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def http_get(url: str, headers: Mapping[str, str], timeout: float) -> tuple[int | None, str]:
    """Status and body, or None and why there was no answer. Certificates are not checked; a redirection to another
    host is an answer."""
    limit = aiohttp.ClientTimeout(total=timeout)
    try:
        async with aiohttp.ClientSession(timeout=limit, connector=aiohttp.TCPConnector(ssl=_insecure())) as session:
            for _ in range(10):
                async with session.get(url, headers=headers, allow_redirects=False) as answer:
                    body = (await answer.content.read(MAX_BODY)).decode("utf-8", "replace")
                    location = answer.headers.get("Location")
                    if answer.status not in (301, 302, 303, 307, 308) or location is None:
                        return answer.status, body
                    following = answer.url.join(type(answer.url)(location))
                    if following.host != answer.url.host:
                        return answer.status, body
                    url = str(following)
        return None, f'Get "{url}": stopped after 10 redirects'
    except TimeoutError:
        return None, f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except aiohttp.ClientConnectorSSLError as error:
        return None, f'Get "{url}": {_why_insecure(error.os_error)}'
    except aiohttp.ServerDisconnectedError:
        return None, f'Get "{url}": EOF'
    except aiohttp.ClientConnectorError as error:
        host = f"{error.host}:{error.port}"
        return (
            None,
            f'Get "{url}": dial tcp {host}: connect: {_why(error.os_error)}',
        )
    except (aiohttp.ClientError, ValueError) as error:
        return None, f'Get "{url}": {error}'


def _why(error: OSError) -> str:
    """In the kernel's words, as upstream has them."""
    return os.strerror(error.errno).lower() if error.errno else str(error)


def _why_insecure(error: OSError) -> str:
    """TLS counts its errors for itself: its numbers are not the kernel's."""
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        return "http: server gave HTTP response to HTTPS client"
    return str(error)


async def run_tcp(action: TCPSocketAction, target: Target, timeout: float) -> Finding:
    try:
        port = port_number(action.port, target.container)
    except LookupError as error:
        return Finding(Verdict.UNKNOWN, str(error))
    host = action.host or target.ip
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError:
        return Finding(Verdict.FAILURE, f"dial tcp {host}:{port}: i/o timeout")
    except OSError as error:
        return Finding(Verdict.FAILURE, f"dial tcp {host}:{port}: connect: {_why(error)}")
    writer.close()
    return Finding(Verdict.SUCCESS)


async def run_grpc(action: GRPCAction, target: Target, timeout: float) -> Finding:
    host = f"[{target.ip}]" if ":" in target.ip else target.ip
    address = f"{host}:{action.port}"
    try:
        serving = await probe_grpc.check(address, action.service or "", timeout, USER_AGENT)
    except probe_grpc.NoAnswer as error:
        return Finding(Verdict.FAILURE, str(error))
    if serving == probe_grpc.SERVING:
        return Finding(Verdict.SUCCESS, "service healthy")
    return Finding(Verdict.FAILURE, f'service unhealthy (responded with "{probe_grpc.name_of(serving)}")')


def port_number(port: int | str, container: Container) -> int:
    """A port by number or by its name in the container."""
    if isinstance(port, int):
        return port
    for declared in container.ports or ():
        if declared.name == port:
            return declared.container_port
    if port.isdigit():
        return int(port)
    raise LookupError(f"couldn't find port: {port}")


Listener = Callable[[ProbeType, str, Progress, Finding], None]


def probe_of(container: Container, kind: ProbeType) -> Probe | None:
    match kind:
        case ProbeType.LIVENESS:
            return container.liveness_probe
        case ProbeType.READINESS:
            return container.readiness_probe
        case ProbeType.STARTUP:
            return container.startup_probe
