"""Reads: one object, and lists."""

from __future__ import annotations

from benchmarks import load
from benchmarks.api.measurement import RARE, Server, Timed, fill, make_namespace

SECONDS = 3.0
LISTING_CONNECTIONS = 4


class Get(Timed):
    name = "GET of a pod"
    ratio, goal = 3.5, 8000

    async def run(self, server: Server) -> load.Run:
        request = server.target.request("GET", server.path("pods", "pod-7"))
        return await load.repeat(server.target, request, SECONDS)


class ListOf500(Timed):
    name = "list of 500 pods"
    ratio, goal = 20, 500

    async def prepare(self, server: Server) -> None:
        await make_namespace(server.target, f"{server.namespace}-500")
        await fill(server.target, f"{server.namespace}-500", 500)

    async def run(self, server: Server) -> load.Run:
        request = server.target.request("GET", server.path("pods", namespace=f"{server.namespace}-500"))
        return await load.repeat(server.target, request, SECONDS, LISTING_CONNECTIONS)


class ListOfAll(Timed):
    name = "list of 5,000 pods"
    ratio = 10

    async def run(self, server: Server) -> load.Run:
        request = server.target.request("GET", server.path("pods"))
        return await load.repeat(server.target, request, SECONDS, connections=2)


class ListByLabel(Timed):
    name = "list by a label that 1 % of 5,000 pods carry"
    ratio, goal = 50, 400

    async def run(self, server: Server) -> load.Run:
        request = server.target.request("GET", f"{server.path('pods')}?labelSelector=tier%3D{RARE}")
        return await load.repeat(server.target, request, SECONDS, LISTING_CONNECTIONS)
