"""An API server in this event loop, and the way from a client to it."""

from __future__ import annotations

from random import Random

from pybernetes.api.clock import Clock
from pybernetes.apiserver import resources
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.server import ApiServer
from pybernetes.client import DirectTransport, Request
from pybernetes.store.contract import Store


async def start_server(store: Store, clock: Clock, random: Random) -> ApiServer:
    server = ApiServer(store, resources.load(), clock=clock, random=random)
    await server.start()
    return server


def direct_transport(server: ApiServer) -> DirectTransport:
    """A client's requests, as the server knows them."""

    async def handle(request: Request) -> ApiResponse:
        return await server.handle(
            ApiRequest(
                request.method,
                request.path,
                {name: [value] for name, value in request.query.items()},
                {name.lower(): value for name, value in request.headers.items()},
                request.body,
            )
        )

    return DirectTransport(handle)
