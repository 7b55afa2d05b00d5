"""Takes a client's connection out of the HTTP server's hands and joins it to a backend's, byte for byte.

Guarantees  What one side sends the other receives unchanged, with back-pressure; when either ends, both are closed, and
the HTTP server learns that its connection is gone.
Assumes  aiohttp's server: its protocol object is told of the connection's end as the event loop would tell it.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_request import BaseRequest

from pybernetes.apiserver.proxy.backend import PIECE, Upgraded


class _Taken(web.StreamResponse):
    """The answer to a request whose connection is no longer HTTP: nothing is written for it."""

    async def prepare(self, request: BaseRequest) -> AbstractStreamWriter | None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


class _Handover(asyncio.StreamReaderProtocol):
    def __init__(self, reader: asyncio.StreamReader, former: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._former = former

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._former.connection_lost(exc)


async def splice(incoming: BaseRequest, backend: Upgraded) -> web.StreamResponse:
    """Returns when the conversation is over."""
    response = _Taken()
    response.force_close()
    transport = incoming.transport
    if transport is None:
        backend.writer.close()
        return response
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=PIECE, loop=loop)
    protocol = _Handover(reader, incoming.protocol, loop)
    transport.set_protocol(protocol)
    protocol.connection_made(transport)
    writer = asyncio.StreamWriter(transport, protocol, reader, loop)
    try:
        writer.write(backend.head)
        await _until_one_ends(_pump(reader, backend.writer), _pump(backend.reader, writer))
    finally:
        backend.writer.close()
        writer.close()
    return response


async def _until_one_ends(*pumps: Any) -> None:
    tasks = [asyncio.ensure_future(pump) for pump in pumps]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError, OSError):
        while data := await source.read(PIECE):
            sink.write(data)
            await sink.drain()
