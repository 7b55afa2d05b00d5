"""Tells clients what a server serves: adds discovery and OpenAPI to its routes."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from pybernetes.apiserver.discovery import served
from pybernetes.apiserver.discovery.handler import Discovery
from pybernetes.apiserver.http import ApiResponse, json_response
from pybernetes.apiserver.openapi.handler import OpenApi
from pybernetes.apiserver.routes import Call, Handler, Routes
from pybernetes.apiserver.server import ApiServer


def describe(
    server: ApiServer, *, address: str, version: str, virtual: Iterable[served.ServedVersion] = ()
) -> Discovery:
    """`virtual` are groups with handlers of their own (reviews, metrics). Later changes go to `Discovery.update`."""
    discovery = Discovery(address)
    discovery.update("builtin", served.of_resources(server.resources))
    discovery.update("virtual", virtual)
    discovery.register(server.routes)
    OpenApi(lambda: discovery.groups, version).register(server.routes)
    server.routes.exact("/", _index(server.routes, discovery))
    return discovery


def _index(routes: Routes, discovery: Discovery) -> Handler:
    async def index(call: Call) -> ApiResponse:
        """`/`: every path that leads somewhere."""
        paths = sorted({*routes.paths, *discovery.paths} - {"/"})
        return json_response(orjson.dumps({"paths": paths}, option=orjson.OPT_INDENT_2))

    return index
