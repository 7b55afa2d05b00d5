"""Acting as a service account: calls that carry a token which is asked of the API server and renewed in time.

Guarantees
  The account is created if it is not there. One token is asked for at a time, whatever waits for it.
  A token is replaced when four fifths of its life are over, or when the server knows it no longer.
Caveats     What keeps a token from being got is reported as `Unreachable`: the call itself was never made.
Follows client-go and kubernetes pkg/controller/client_builder_dynamic.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import parse_time
from pybernetes.api.models.core_v1 import ServiceAccount
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.client.client import Client
from pybernetes.client.transport import Request, Response, Stream, Transport, Unreachable

LIFE_SECONDS = 3600
USED_FOR = 0.8
_REQUEST = {
    "apiVersion": "authentication.k8s.io/v1",
    "kind": "TokenRequest",
    "spec": {"expirationSeconds": LIFE_SECONDS},
}


class AccountTokens:
    """The token of one account, asked for as `client`, who may make accounts and tokens."""

    def __init__(self, client: Client, clock: Clock, namespace: str, name: str) -> None:
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._token = ""
        self._renew_at = 0.0
        self._asking = asyncio.Lock()

    def forget(self, token: str) -> None:
        if self._token == token:
            self._token = ""

    async def token(self) -> str:
        """Raises ApiError or Unreachable."""
        async with self._asking:
            if not self._token or self._clock.monotonic() >= self._renew_at:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        try:
            await self._ask()
        except ApiError as error:
            if error.code != 404:
                raise
            await self._create()
            await self._ask()

    async def _ask(self) -> None:
        answer = await self._client.post(
            ServiceAccount, self._name, self._namespace, subresource="token", body=_REQUEST
        )
        life = parse_time(answer["status"]["expirationTimestamp"]) - self._clock.now()
        self._token = answer["status"]["token"]
        self._renew_at = self._clock.monotonic() + life.total_seconds() * USED_FOR

    async def _create(self) -> None:
        try:
            await self._client.create(ServiceAccount(metadata=ObjectMeta(name=self._name, namespace=self._namespace)))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


class AccountTransport:
    """Calls over a transport that shows nobody by itself."""

    def __init__(self, anonymous: Transport, tokens: AccountTokens) -> None:
        self._anonymous = anonymous
        self._tokens = tokens

    async def send(self, request: Request) -> Response:
        token = await self._token_for(request)
        answer = await self._anonymous.send(_bearing(request, token))
        if answer.status != 401:
            return answer
        self._tokens.forget(token)
        return await self._anonymous.send(_bearing(request, await self._token_for(request)))

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        token = await self._token_for(request)
        async with self._anonymous.stream(_bearing(request, token)) as opened:
            if opened.status == 401:
                self._tokens.forget(token)
            yield opened

    async def close(self) -> None:
        """The transport below is shared: who made it closes it."""

    async def _token_for(self, request: Request) -> str:
        try:
            return await self._tokens.token()
        except ApiError as error:
            raise Unreachable(request, f"no token for it: {error}") from error


def _bearing(request: Request, token: str) -> Request:
    return msgspec.structs.replace(request, headers={**request.headers, "Authorization": f"Bearer {token}"})
