"""Where the controllers' process says how it is: a socket in the cluster's directory, for whoever may read that.

`/healthz`, `/metrics`, and `/controllers` with the health of each as JSON. `secure_port` is for all others.
"""

from __future__ import annotations

import http.client
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from pybernetes.cli.layout import Layout
from pybernetes.cli.socket_files import SocketConnection

if TYPE_CHECKING:
    from aiohttp import web

    from pybernetes.controllers import ControllerManager

PATIENCE = 20.0


def served(layout: Layout, manager: ControllerManager) -> AbstractAsyncContextManager[None]:
    from pybernetes.cli.parts.doorstep import served_at

    return served_at(layout.controllers_socket, lambda: _application(manager))


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
    connection = SocketConnection(layout.controllers_socket, patience=PATIENCE)
    try:
        connection.request("GET", "/controllers")
        answer: list[dict[str, Any]] = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return answer
