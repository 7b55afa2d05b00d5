"""Doorstep: a listening socket whose web server is loaded when somebody knocks.

A process that nobody asks pays for a socket, and for neither time nor memory of what would answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pybernetes.cli.socket_files import short_path

if TYPE_CHECKING:
    from aiohttp import web


class Doorstep:
    """``async with Doorstep(listening, application):`` answers until left, and then closes the socket."""

    def __init__(
        self,
        listening: socket.socket,
        application: Callable[[], web.Application],
        tls: Callable[[], ssl.SSLContext] | None = None,
    ) -> None:
        self._socket = listening
        self._application = application
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._opening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Doorstep:
        self._socket.setblocking(False)
        self._socket.listen()
        asyncio.get_running_loop().add_reader(self._socket, self._open)
        return self

    async def __aexit__(self, *exception: object) -> None:
        if self._opening is None:
            asyncio.get_running_loop().remove_reader(self._socket)
        else:
            await self._opening
        if self._runner is not None:
            await self._runner.cleanup()
        self._socket.close()

    def _open(self) -> None:
        """Somebody knocks for the first time: the web server takes the socket over."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._opening = asyncio.create_task(self._serve(), name="doorstep")

    async def _serve(self) -> None:
        from aiohttp import web

        self._runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket, ssl_context=self._tls() if self._tls else None).start()


@asynccontextmanager
async def served_at(path: Path, application: Callable[[], web.Application]) -> AsyncIterator[None]:
    """Answers on a socket file that only the user of this process can open. One left by a dead process is replaced."""
    with _bound_to(path) as listening:
        async with Doorstep(listening, application):
            yield


@contextmanager
def _bound_to(path: Path) -> Iterator[socket.socket]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        with short_path(path) as name:
            listening.bind(name)
    finally:
        os.umask(mask)
    try:
        yield listening
    finally:
        path.unlink(missing_ok=True)
