"""The edge: HTTPS in, ``ApiRequest`` and ``ApiResponse`` inside.

Guarantees
  Every request gets an answer, in time; every answer is counted.
  ``stop`` lets no new request in, ends all watches, and waits for the requests under way.

Assumes  httptools parses (``connection.py``); aiohttp has the connections that speak something else (``upgrades.py``);
uvloop if the caller installed it.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import time
import zlib
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from pybernetes.api import errors
from pybernetes.apiserver.answers import error_answer
from pybernetes.apiserver.connection import LONGEST_HEAD, Connection
from pybernetes.apiserver.deadlines import Deadlines
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.list_body import ListBody
from pybernetes.apiserver.metrics import Metrics, Watching
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.watch_writing import Turns
from pybernetes.apiserver.watching import WatchStream

if TYPE_CHECKING:
    from pybernetes.apiserver.upgrades import Upgrades

GZIP_FROM = 128 * 1024
LONGEST_AUDIT_ID = 64
OVERDUE = 504
_GZIP_WINDOW = 31
_LISTENING = 1024
"""Connections that may wait to be accepted."""
_SWEEP_SECONDS = 8.0
_CLOSING_SECONDS = 5.0
_TLS_CLOSING_SECONDS = 5.0


def tls_context(
    certificate: Path, key: Path, client_ca: Path | None, request_header_ca: Path | None = None
) -> ssl.SSLContext:
    """Client certificates are asked for, not required; one that neither CA signed ends the handshake. Which of the two
    did is for the authenticator to tell."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    if client_ca is not None:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_OPTIONAL
    if request_header_ca is not None:
        context.load_verify_locations(request_header_ca)
    return context


def tune_process() -> None:
    """For a process that does nothing but serve, before it reads its store.

    A thread that makes a large document must give way soon, or every request waits for the interpreter's usual 5 ms.
    What a start makes stays: nobody looks for garbage in it until ``settle_process``.
    """
    sys.setswitchinterval(0.0005)
    gc.disable()


def settle_process() -> None:
    """When the server is ready. What is there now is never looked through again, and what comes less often than
    usual: objects that live in caches are many."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
    gc.enable()


class Edge:
    """Listens for a server. ``port`` may be 0; ``address`` says where it really is."""

    def __init__(
        self, server: ApiServer, *, host: str = "127.0.0.1", port: int = 6443, tls: ssl.SSLContext | None = None
    ) -> None:
        self._server = server
        self._host = host
        self._port = port
        self._tls = tls
        self._listener: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._streams: set[WatchStream] = set()
        self._upgrades: Upgrades | None = None
        self._all_gone: asyncio.Future[None] | None = None
        self._sweeping: asyncio.TimerHandle | None = None
        self._deadlines = Deadlines(server.options.request_timeout)
        self._random = Random()
        self.max_body = server.options.max_body
        self.turns = Turns()
        self.metrics = Metrics(server)
        server.routes.exact("/metrics", self.metrics.serve)

    @property
    def address(self) -> tuple[str, int]:
        if self._listener is None or not self._listener.sockets:
            raise RuntimeError("the edge is not listening")
        host, port, *_ = self._listener.sockets[0].getsockname()
        return str(host), int(port)

    async def start(self) -> None:
        """Raises ``OSError`` when the port is taken."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            lambda: Connection(self),
            self._host,
            self._port,
            ssl=self._tls,
            ssl_shutdown_timeout=_TLS_CLOSING_SECONDS if self._tls else None,
            backlog=_LISTENING,
        )
        self._sweep()

    @property
    def under_way(self) -> int:
        """Requests that have not been answered yet; what goes on for long is not among them."""
        return self._deadlines.under_way

    @property
    def watches(self) -> tuple[WatchStream, ...]:
        return tuple(self._streams)

    async def stop(self) -> None:
        self._server.stopping = True
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for stream in tuple(self._streams):
            stream.end()
        await self._end_connections()
        if self._upgrades is not None:
            await self._upgrades.stop()
        self._deadlines.stop()

    async def serve(self, request: ApiRequest, *, oversized: bool = False) -> ApiResponse:
        started = time.perf_counter()
        request.audit_id = self._audit_id(request)
        try:
            if oversized:
                raise errors.request_too_large(f"limit is {self.max_body}")
            answer = await self._deadlines.serve(request, self._server.handle)
        except asyncio.CancelledError:
            self.metrics.aborted(request)
            raise
        except errors.ApiError as error:
            answer = error_answer(request, error)
            if answer.status == OVERDUE:
                self.metrics.terminated(request, OVERDUE)
            if request.audited is not None:
                request.audited.answered(answer)
        self.metrics.count(request, answer, time.perf_counter() - started)
        if isinstance(answer.body, bytes | ListBody) and len(answer.body) > GZIP_FROM and _wants_gzip(request):
            await _compress(answer)
        return answer

    def over(self, request: ApiRequest) -> None:
        if request.audited is not None:
            request.audited.over()

    def watching(self, request: ApiRequest, stream: WatchStream) -> Watching:
        self._streams.add(stream)
        return self.metrics.watching(request)

    def watched(self, stream: WatchStream) -> None:
        self._streams.discard(stream)

    def made(self, connection: Connection) -> None:
        self._connections.add(connection)

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self._all_gone is not None and not self._connections and not self._all_gone.done():
            self._all_gone.set_result(None)

    def hand_over(self, connection: Connection, transport: asyncio.Transport, received: bytes) -> None:
        if self._upgrades is None:
            from pybernetes.apiserver.upgrades import Upgrades  # Loads aiohttp, which nobody else may need.

            self._upgrades = Upgrades(self, LONGEST_HEAD)
        self._upgrades.take(transport, received)
        self.lost(connection)

    async def _end_connections(self) -> None:
        for connection in tuple(self._connections):
            connection.finish()
        if not self._connections:
            return
        self._all_gone = asyncio.get_running_loop().create_future()
        await asyncio.wait((self._all_gone,), timeout=_CLOSING_SECONDS)
        for connection in tuple(self._connections):
            connection.abort()

    def _sweep(self) -> None:
        """One timer for all connections."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in tuple(self._connections):
            connection.close_if_silent(now)
        self._sweeping = loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _audit_id(self, request: ApiRequest) -> str:
        """The client's, or a new one: what a request is found by in logs."""
        stated = request.headers.get("audit-id")
        if stated:
            return stated[:LONGEST_AUDIT_ID]
        digits = f"{self._random.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _wants_gzip(request: ApiRequest) -> bool:
    """Compression is for networks: on this machine it only costs."""
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return False
    try:
        return not ip_address(request.remote).is_loopback
    except ValueError:
        return True


async def _compress(answer: ApiResponse) -> None:
    answer.body = await asyncio.to_thread(zlib.compress, answer.content, 1, _GZIP_WINDOW)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
