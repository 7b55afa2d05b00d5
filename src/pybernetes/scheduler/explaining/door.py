"""Door: what the scheduler answers over HTTP to those who ask it for explanations.

GET /why/NAMESPACE/POD          the last decision; a dry run if none is remembered
GET /why/NAMESPACE/POD?now=true a dry run from the present state
GET /healthz                    ok
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from pybernetes.api.meta import Key
from pybernetes.scheduler.explaining.explainer import Explainer, Unexplained
from pybernetes.scheduler.framework import PluginFailed


def pages(explainer: Explainer) -> web.Application:
    async def why(request: web.Request) -> web.Response:
        key = Key(request.match_info["namespace"], request.match_info["pod"])
        ask = explainer.now if request.query.get("now") == "true" else explainer.last
        try:
            body = msgspec.json.encode(ask(key))
        except (Unexplained, PluginFailed) as error:
            return web.json_response({"message": str(error)}, status=404)
        return web.Response(body=body, content_type="application/json")

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    application = web.Application()
    application.add_routes([web.get("/why/{namespace}/{pod}", why), web.get("/healthz", healthz)])
    return application
