"""Connections that are to speak another protocol than HTTP: aiohttp takes them over, and with it the request.

Whoever answers an upgrade (``ApiResponse.upgrade``) gets aiohttp's request: a WebSocket's server end, or the bare
connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any, Protocol

from aiohttp import web
from aiohttp.web_request import BaseRequest
from multidict import CIMultiDict

from pybernetes.apiserver import silent
from pybernetes.apiserver.answer_head import headers_of
from pybernetes.apiserver.http import ApiRequest, ApiResponse, PeerCertificate
from pybernetes.apiserver.list_body import ListBody

_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_CLOSING_SECONDS = 5.0


class Serving(Protocol):
    max_body: int

    async def serve(self, request: ApiRequest, *, oversized: bool = False) -> ApiResponse: ...

    def over(self, request: ApiRequest) -> None: ...


class Upgrades:
    """Assumes  A running loop. ``take`` comes before ``stop``."""

    def __init__(self, serving: Serving, longest_line: int) -> None:
        self._serving = serving
        self._server = web.Server(
            self._handle,
            request_factory=partial(_sized_request, serving.max_body),
            handler_cancellation=True,
            access_log=None,
            max_line_size=longest_line,
            max_field_size=longest_line,
        )

    def take(self, transport: asyncio.Transport, received: bytes) -> None:
        """``received`` is what the client has said, from its request's first line on."""
        protocol = self._server()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(received)

    async def stop(self) -> None:
        await self._server.shutdown(_CLOSING_SECONDS)

    async def _handle(self, incoming: BaseRequest) -> web.StreamResponse:
        peer = PeerCertificate.of(incoming.transport)
        headers = incoming.headers
        request = ApiRequest.received(incoming.method, incoming.raw_path, headers, b"", peer, incoming.remote or "")
        oversized = False
        try:
            if incoming.method in _WITH_BODY:
                try:
                    request.body = await incoming.read()
                except web.HTTPRequestEntityTooLarge:
                    oversized = True
            answer = await self._serving.serve(request, oversized=oversized)
            if answer.upgrade is not None:
                upgraded: web.StreamResponse = await answer.upgrade(incoming)
                return upgraded
            told = _headers(answer, request)
            if isinstance(answer.body, bytes | ListBody):
                return silent.Whole(status=answer.status, body=answer.content, headers=told)
            return await _stream(incoming, answer.status, told, answer.body)
        finally:
            self._serving.over(request)


def _sized_request(limit: int, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> BaseRequest:
    return BaseRequest(message, payload, protocol, writer, task, task.get_loop(), client_max_size=limit)


def _headers(answer: ApiResponse, request: ApiRequest) -> CIMultiDict[str]:
    headers = CIMultiDict(headers_of(answer))
    headers["Audit-Id"] = request.audit_id
    if answer.classified is not None:
        headers.update(answer.classified.headers)
    return headers


async def _stream(
    incoming: BaseRequest, status: int, headers: CIMultiDict[str], body: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = silent.Streaming(status=status, headers=headers)
    response.enable_chunked_encoding()
    await response.prepare(incoming)
    async with aclosing(body) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            await response.write(piece)
    await response.write_eof()
    return response
