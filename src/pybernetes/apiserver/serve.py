"""The edge: HTTPS in, ``ApiRequest`` and ``ApiResponse`` inside.

Guarantees
  One handler serves every path; a body over the limit is refused with 413 before it is read whole.
  A watch's lines go from the cache to the connection without a task in between; a client that does not read is cut off.
  ``stop`` lets no new request in, ends all watches, and waits for the requests under way.

Assumes  aiohttp; uvloop if the caller installed it.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
import time
import zlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from pybernetes.api import errors
from pybernetes.apiserver.answers import error_answer
from pybernetes.apiserver.deadlines import Deadlines
from pybernetes.apiserver.http import ApiRequest, ApiResponse, PeerCertificate
from pybernetes.apiserver.metrics import Metrics
from pybernetes.apiserver.quick_response import QuickResponse, headers_of, is_quick
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.watch_writing import Turns, WatchWriter
from pybernetes.apiserver.watching import WatchStream

GZIP_FROM = 128 * 1024
LONGEST_LINE = 256 * 1024
"""Of a request's first line, which holds selectors, and of one header, which holds tokens."""
LONGEST_AUDIT_ID = 64
OVERDUE = 504
_GZIP_WINDOW = 31
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


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

    The store's writer must get its turn soon after a sync, or every commit waits for the interpreter's usual 5 ms.
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
        self._runner: web.ServerRunner | None = None
        self._streams: set[WatchStream] = set()
        self._turns = Turns()
        self._deadlines = Deadlines(server.options.request_timeout)
        self._random = Random()
        self.metrics = Metrics(server)
        server.routes.exact("/metrics", self.metrics.serve)

    @property
    def address(self) -> tuple[str, int]:
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the edge is not listening")
        host, port, *_ = self._runner.addresses[0]
        return str(host), int(port)

    async def start(self) -> None:
        """Raises ``OSError`` when the port is taken."""
        handler = web.Server(
            self._handle,
            request_factory=partial(_sized_request, self._server.options.max_body),
            handler_cancellation=True,
            access_log=None,
            max_line_size=LONGEST_LINE,
            max_field_size=LONGEST_LINE,
        )
        self._runner = web.ServerRunner(handler, shutdown_timeout=5.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port, ssl_context=self._tls, backlog=1024)
        await site.start()

    async def stop(self) -> None:
        self._server.stopping = True
        for stream in tuple(self._streams):
            stream.end()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self._deadlines.stop()

    async def _handle(self, incoming: BaseRequest) -> web.StreamResponse:
        started = time.perf_counter()
        request = _request_of(incoming)
        request.audit_id = _audit_id(incoming, self._random)
        try:
            return await self._serve(incoming, request, started)
        finally:
            if request.audited is not None:
                request.audited.over()

    async def _serve(self, incoming: BaseRequest, request: ApiRequest, started: float) -> web.StreamResponse:
        try:
            if incoming.method in _WITH_BODY:
                request.body = await incoming.read()
            answer = await self._deadlines.serve(request, self._server.handle)
        except asyncio.CancelledError:
            self.metrics.aborted(request)
            raise
        except web.HTTPRequestEntityTooLarge:
            limit = self._server.options.max_body
            answer = error_answer(request, errors.request_too_large(f"limit is {limit}"))
        except errors.ApiError as error:
            answer = error_answer(request, error)
            if answer.status == OVERDUE:
                self.metrics.terminated(request, OVERDUE)
            if request.audited is not None:
                request.audited.answered(answer)
        self.metrics.count(request, answer, time.perf_counter() - started)
        if answer.upgrade is not None:
            upgraded: web.StreamResponse = await answer.upgrade(incoming)
            return upgraded
        body = answer.body
        if isinstance(body, bytes):
            if len(body) > GZIP_FROM and _wants_gzip(request):
                await _compress(answer, body)
            if is_quick(incoming):
                return QuickResponse(incoming, answer, request.audit_id)
            return web.Response(status=answer.status, body=answer.content, headers=_headers(answer, request))
        if isinstance(body, WatchStream):
            return await self._watch(incoming, answer, body, request)
        return await _stream(incoming, answer, body, request)

    async def _watch(
        self, incoming: BaseRequest, answer: ApiResponse, stream: WatchStream, request: ApiRequest
    ) -> web.StreamResponse:
        response = _streaming(answer, request)
        self._streams.add(stream)
        counted = self.metrics.watching(request)
        try:
            await response.prepare(incoming)
            transport = incoming.transport
            if transport is None:
                return response
            await response.write(b"")
            writer = WatchWriter(self._turns, transport, stream, counted)
            stream.take(writer)
            async for _ in stream:
                pass
            writer.flush()
            if not transport.is_closing():
                await response.write_eof()
        finally:
            stream.end()
            counted.end()
            self._streams.discard(stream)
        return response


def _sized_request(limit: int, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    return BaseRequest(message, payload, protocol, writer, task, task.get_loop(), client_max_size=limit)


def _request_of(incoming: BaseRequest) -> ApiRequest:
    raw_path, _, raw_query = incoming.raw_path.partition("?")
    return ApiRequest(
        incoming.method,
        unquote(raw_path) if "%" in raw_path else raw_path,
        parse_qs(raw_query, keep_blank_values=True) if raw_query else {},
        incoming.headers,
        b"",
        _peer_of(incoming),
        incoming.remote or "",
        uri=incoming.raw_path,
    )


def _peer_of(incoming: BaseRequest) -> PeerCertificate | None:
    transport = incoming.transport
    tls = transport.get_extra_info("ssl_object") if transport is not None else None
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return PeerCertificate(der) if der else None


def _audit_id(incoming: BaseRequest, random: Random) -> str:
    """The client's, or a new one: what a request is found by in logs."""
    stated = incoming.headers.get("Audit-Id")
    if stated:
        return stated[:LONGEST_AUDIT_ID]
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _headers(answer: ApiResponse, request: ApiRequest) -> CIMultiDict[str]:
    headers = CIMultiDict(headers_of(answer))
    headers["Audit-Id"] = request.audit_id
    if answer.classified is not None:
        headers.update(answer.classified.headers)
    return headers


class _Streaming(web.StreamResponse):
    """Chunked, and silent about the library that sends it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.pop("Server", None)


def _streaming(answer: ApiResponse, request: ApiRequest) -> web.StreamResponse:
    response = _Streaming(status=answer.status, headers=_headers(answer, request))
    response.enable_chunked_encoding()
    return response


async def _stream(
    incoming: BaseRequest, answer: ApiResponse, body: AsyncIterator[bytes], request: ApiRequest
) -> web.StreamResponse:
    response = _streaming(answer, request)
    await response.prepare(incoming)
    async with aclosing(body) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response


def _wants_gzip(request: ApiRequest) -> bool:
    """Compression is for networks: on this machine it only costs."""
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return False
    try:
        return not ip_address(request.remote).is_loopback
    except ValueError:
        return True


async def _compress(answer: ApiResponse, body: bytes) -> None:
    answer.body = await asyncio.to_thread(zlib.compress, body, 1, _GZIP_WINDOW)
    answer.headers["Content-Encoding"] = "gzip"
    answer.headers["Vary"] = "Accept-Encoding"
