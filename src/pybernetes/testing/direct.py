"""The way from a client to an API server in the same event loop: its requests, as the server knows them."""

from __future__ import annotations

from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.server import ApiServer
from pybernetes.client import DirectTransport, Request


def direct_transport(server: ApiServer) -> DirectTransport:
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
