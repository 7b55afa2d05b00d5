"""Tells clients what a server serves: adds discovery and OpenAPI to its routes."""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.apiserver.discovery import served
from pybernetes.apiserver.discovery.handler import Discovery
from pybernetes.apiserver.openapi.handler import OpenApi
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
    return discovery
