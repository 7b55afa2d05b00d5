"""An API server in this event loop, and the way from a client to it.

Every request is an administrator's: who may do what is tried elsewhere. Tokens are issued and reviewed all the same,
because pods ask for them.
"""

from __future__ import annotations

from functools import cache
from random import Random

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pybernetes.api.clock import Clock
from pybernetes.api.features import NONE, Features
from pybernetes.apiserver import binding, component_statuses
from pybernetes.apiserver.assembly import Assembled, assemble
from pybernetes.apiserver.auth import reviews
from pybernetes.apiserver.auth.access import Access, AccessOptions
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, EveryoneIs, User
from pybernetes.apiserver.discovery import served
from pybernetes.apiserver.discovery.handler import Discovery
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.server import ApiServer
from pybernetes.client import DirectTransport, Request
from pybernetes.store.contract import Store

ADDRESS = "192.0.2.1"
"""An address that is for documentation and nobody's: nothing listens."""

ADMINISTRATOR = User("kubernetes-admin", groups=(MASTERS_GROUP, "system:authenticated"))


async def start_server(store: Store, clock: Clock, random: Random, features: Features = NONE) -> Assembled:
    """With features, all versions of the API that they need are served."""
    alpha = "api/alpha=true" if features else ""
    options = ServerOptions(advertise_address=ADDRESS, features=features, runtime_config=alpha)
    assembled = assemble(store, authenticator=EveryoneIs(ADMINISTRATOR), clock=clock, random=random, options=options)
    routes = assembled.server.routes
    Access(store, AccessOptions(service_account_key=_signing_key()), clock).register(routes)
    discovery = Discovery(f"{ADDRESS}:{options.port}")
    discovery.follow("server", lambda: served.of_resources(assembled.server.resources))
    assembled.server.on_served_change(discovery.invalidate)
    discovery.update("virtual", (*binding.SERVED, *component_statuses.SERVED, *reviews.SERVED))
    discovery.register(routes)
    await assembled.start()
    return assembled


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


@cache
def _signing_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
