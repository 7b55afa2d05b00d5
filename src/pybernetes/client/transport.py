"""Transports: how a request reaches an API server.

Contract
  `send` returns whatever the server answered, of any status; it raises `Unreachable` when no whole answer came.
  `stream` enters with the answer's head; its chunks arrive in order; leaving the block ends the exchange.
  Header names are compared without regard to case (`header`).
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import msgspec

NOTHING: Mapping[str, str] = MappingProxyType({})


class Request(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, without the host it goes to."""

    method: str
    path: str
    query: Mapping[str, str] = NOTHING
    headers: Mapping[str, str] = NOTHING
    body: bytes = b""
    patience: float | None = None
    """Seconds without a byte of a stream after which it counts as broken; None waits for ever."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Response(msgspec.Struct, frozen=True, gc=False):
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer whose body arrives piece by piece."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]

    async def read(self) -> bytes:
        return b"".join([chunk async for chunk in self.chunks])


class Unreachable(Exception):
    """No whole answer came: the server is down, the network broke, or a time limit passed."""

    def __init__(self, request: Request, cause: str) -> None:
        super().__init__(f"{request}: {cause}")
        self.request = request


class Transport(Protocol):
    async def send(self, request: Request) -> Response: ...

    def stream(self, request: Request) -> AbstractAsyncContextManager[Stream]: ...

    async def close(self) -> None: ...


def header(headers: Mapping[str, str], name: str) -> str | None:
    """The value of a header, whatever the case of its name."""
    found = headers.get(name)
    if found is not None:
        return found
    wanted = name.lower()
    return next((value for key, value in headers.items() if key.lower() == wanted), None)


class Answer(Protocol):
    """What a server in the same process answers: a body of bytes, or pieces of it one after the other."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes | AsyncIterable[bytes]: ...


class DirectTransport:
    """Calls a server that lives in the same event loop: no sockets, no copies."""

    def __init__(self, handle: Callable[[Request], Awaitable[Answer]]) -> None:
        self._handle = handle

    async def send(self, request: Request) -> Response:
        answer = await self._handle(request)
        if isinstance(answer.body, bytes):
            return Response(answer.status, answer.headers, answer.body)
        body = b"".join([chunk async for chunk in answer.body])
        return Response(answer.status, answer.headers, body)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        answer = await self._handle(request)
        body = answer.body
        chunks = _once(body) if isinstance(body, bytes) else aiter(body)
        try:
            yield Stream(answer.status, answer.headers, chunks)
        finally:
            await _close(chunks)

    async def close(self) -> None:
        """Nothing to let go of."""


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _close(chunks: AsyncIterator[bytes]) -> None:
    closing = getattr(chunks, "aclose", None)
    if closing is not None:
        await closing()
