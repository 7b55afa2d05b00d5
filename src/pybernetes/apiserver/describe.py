"""Tells clients what a server serves: adds discovery and OpenAPI to its routes, and keeps them in step with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from pybernetes.apiserver.discovery import served
from pybernetes.apiserver.discovery.handler import Discovery
from pybernetes.apiserver.http import ApiResponse, json_response
from pybernetes.apiserver.openapi.handler import OpenApi
from pybernetes.apiserver.routes import Call, Handler, Routes
from pybernetes.apiserver.server import ApiServer


@dataclass(frozen=True, slots=True)
class Description:
    """What clients are told. Kinds added to the server or removed from it at run time show up by themselves;
    the schema of one that has no generated facts comes with its ``ServedResource.published``. Groups with handlers of
    their own go to ``discovery.update``. Documents that another server makes are not merged into OpenAPI.
    """

    discovery: Discovery
    openapi: OpenApi


def describe(
    server: ApiServer, *, address: str, version: str, virtual: Iterable[served.ServedVersion] = ()
) -> Description:
    """`virtual` are groups with handlers of their own (reviews, metrics)."""
    discovery = Discovery(address)
    discovery.follow("server", lambda: served.of_resources(server.resources))
    discovery.update("virtual", virtual)
    discovery.register(server.routes)
    server.on_served_change(discovery.invalidate)
    openapi = OpenApi(lambda: discovery.groups, version)
    openapi.register(server.routes)
    for path in _INDEX:
        server.routes.exact(path, _index(server.routes, discovery))
    return Description(discovery, openapi)


_INDEX = {"/", "/index.html"}


def _index(routes: Routes, discovery: Discovery) -> Handler:
    async def index(call: Call) -> ApiResponse:
        """`/`: every path that leads somewhere."""
        paths = sorted({*routes.paths, *discovery.paths} - _INDEX)
        return json_response(orjson.dumps({"paths": paths}, option=orjson.OPT_INDENT_2))

    return index
