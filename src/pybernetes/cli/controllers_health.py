"""Where the controllers' process says how it is: a socket in the cluster's directory, for whoever may read that.

`/healthz`, `/metrics`, and `/controllers` with the health of each as JSON. `secure_port` is for all others.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pybernetes.cli.layout import Layout

if TYPE_CHECKING:
    from aiohttp import web

    from pybernetes.controllers import ControllerManager

PATIENCE = 5.0


@asynccontextmanager
async def served(layout: Layout, manager: ControllerManager) -> AsyncIterator[None]:
    from pybernetes.cli.parts.doorstep import Doorstep

    layout.run.mkdir(parents=True, exist_ok=True)
    layout.controllers_socket.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(layout.controllers_socket) as path:
        listening.bind(path)
    layout.controllers_socket.chmod(0o600)
    try:
        async with Doorstep(listening, lambda: _application(manager)):
            yield
    finally:
        layout.controllers_socket.unlink(missing_ok=True)


def _application(manager: ControllerManager) -> web.Application:
    from aiohttp import web

    from pybernetes.controllers import health

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def metrics(_: web.Request) -> web.Response:
        content_type = "text/plain; version=0.0.4; charset=utf-8"
        return web.Response(body=health.metrics_of(manager.controllers), headers={"Content-Type": content_type})

    async def controllers(_: web.Request) -> web.Response:
        return web.json_response([asdict(health.health_of(one)) for one in manager.controllers])

    application = web.Application()
    application.add_routes(
        [web.get("/healthz", healthz), web.get("/metrics", metrics), web.get("/controllers", controllers)]
    )
    return application


def ask(layout: Layout) -> list[dict[str, Any]] | None:
    """The health of each controller that runs; none while another process leads. None: there was no answer."""
    connection = _UnixConnection(layout.controllers_socket)
    try:
        connection.request("GET", "/controllers")
        answer: list[dict[str, Any]] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        with _short(self._path) as path:
            self.sock.connect(path)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A way to a socket that fits into the 108 bytes of an address, however deep its directory lies."""
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
