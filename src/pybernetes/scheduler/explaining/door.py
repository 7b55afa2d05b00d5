"""Door: the scheduler's HTTP endpoint for explanations, on a socket file that only the scheduler's user can open.

    GET /why/NAMESPACE/POD          the last decision; a dry run if none is remembered
    GET /why/NAMESPACE/POD?now=true a dry run from the present state
    GET /healthz                    ok

Nothing of the web server is loaded before the first connection: a scheduler that nobody asks pays for a socket.
"""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pybernetes.api.meta import Key
from pybernetes.scheduler.explaining.explainer import Explainer, Unexplained
from pybernetes.scheduler.explaining.short_path import short_path
from pybernetes.scheduler.framework import PluginFailed

if TYPE_CHECKING:
    from aiohttp import web


class Door:
    """``async with Door(explainer, path):`` listens until left. A socket file left by a dead process is replaced."""

    def __init__(self, explainer: Explainer, path: Path) -> None:
        self._explainer = explainer
        self._path = path
        self._runner: web.AppRunner | None = None
        self._opening: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Door:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        with short_path(self._path) as path:
            mask = os.umask(0o177)
            try:
                self._socket.bind(path)
            finally:
                os.umask(mask)
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
        self._path.unlink(missing_ok=True)

    def _open(self) -> None:
        """Somebody knocks for the first time: the web server takes the socket over."""
        asyncio.get_running_loop().remove_reader(self._socket)
        self._opening = asyncio.create_task(self._serve(), name="scheduler-door")

    async def _serve(self) -> None:
        from aiohttp import web

        application = web.Application()
        application.add_routes(
            [web.get("/why/{namespace}/{pod}", self._why), web.get("/healthz", self._healthz)],
        )
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()

    async def _why(self, request: web.Request) -> web.Response:
        from aiohttp import web

        key = Key(request.match_info["namespace"], request.match_info["pod"])
        ask = self._explainer.now if request.query.get("now") == "true" else self._explainer.last
        try:
            body = msgspec.json.encode(ask(key))
        except (Unexplained, PluginFailed) as error:
            return web.json_response({"message": str(error)}, status=404)
        return web.Response(body=body, content_type="application/json")

    async def _healthz(self, request: web.Request) -> web.Response:
        from aiohttp import web

        return web.Response(text="ok")
