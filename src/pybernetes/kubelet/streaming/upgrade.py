"""Taking a connection out of the HTTP server's hands, for protocols that aiohttp does not know (SPDY).

Guarantees  The answer 101 is the last HTTP on the connection; bytes that came with the request are not lost. When the
            conversation is over the connection is closed and the HTTP server is told.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from pybernetes.kubelet.streaming.multiplexer import SocketCarrier

SPDY = "SPDY/3.1"
_LIMIT = 1 << 18


class Conversation(web.StreamResponse):
    """The answer to a request whose connection is no longer HTTP: the server writes nothing more for it."""

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Protocol(asyncio.StreamReaderProtocol):
    """Reads the connection from now on, and passes its end on to who read it before."""

    def __init__(self, reader: asyncio.StreamReader, former: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._former.connection_lost(exc)


def wanted(request: web.Request) -> bool:
    """The client asks for SPDY."""
    return request.headers.get("Upgrade", "").upper() == SPDY


def take(request: web.Request, protocol: str) -> tuple[Conversation, SocketCarrier]:
    """Agree to the upgrade with the stream protocol chosen; the carrier is the connection from now on."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client has gone")
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LIMIT, loop=loop)
    handler = _Protocol(reader, request.protocol, loop)
    transport.set_protocol(handler)
    handler.connection_made(transport)
    writer = asyncio.StreamWriter(transport, handler, reader, loop)
    head = (
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
        f"Upgrade: {SPDY}\r\nX-Stream-Protocol-Version: {protocol}\r\n\r\n"
    )
    writer.write(head.encode())
    conversation = Conversation()
    conversation.force_close()
    return conversation, SocketCarrier(reader, writer)


def choose(request: web.Request, served: tuple[str, ...]) -> str | None:
    """The best of the stream protocols that the client offers; the last one when it offers none."""
    offered = [
        name.strip() for value in request.headers.getall("X-Stream-Protocol-Version", []) for name in value.split(",")
    ]
    if not offered:
        return served[-1]
    return next((name for name in served if name in offered), None)
