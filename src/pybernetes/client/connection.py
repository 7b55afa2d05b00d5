"""Connection: HTTP/1.1 from the client's side, one exchange at a time.

Guarantees
  `exchange` gives a whole answer, `open` one whose body is taken piece by piece with `piece`; both raise
  `ConnectionError` or `TimeoutError` when the answer does not come whole.
  A connection that `is_free` has nothing under way and may carry the next request; any other must be closed.
  A reader that is slow is not sent more than it can hold: the server waits.
Caveats     Deadlines are kept by whoever owns the connection: it calls `give_up_if_late` now and then.
Assumes     uvloop or asyncio transports; httptools parses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import cast

import httptools

from pybernetes.client.transport import Response

MOST_HELD = 1 << 20
"""Bytes of a body that wait for their reader before the server is no longer read from."""
_BODY_ENDS = frozenset({b"content-length", b"transfer-encoding"})


class Headers(Mapping[str, str]):
    """An answer's headers, made readable when somebody reads them: of most answers nobody does."""

    __slots__ = ("_raw", "_read")

    def __init__(self, raw: list[tuple[bytes, bytes]]) -> None:
        self._raw = raw
        self._read: dict[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        return self._values()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())

    def _values(self) -> dict[str, str]:
        """Of a header that came more than once, all values, as one line would have them."""
        if self._read is None:
            self._read = {}
            for name, value in self._raw:
                key, text = name.decode("latin-1"), value.decode("utf-8", "surrogateescape")
                self._read[key] = f"{self._read[key]}, {text}" if key in self._read else text
        return self._read


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport = cast(asyncio.Transport, None)
        self._waiter: asyncio.Future[None] | None = None
        self._raw: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._held = 0
        self._paused = False
        self._streams = False
        self._bodiless = False
        self._under_way = False
        self._begun = False
        self._in_body = False
        self._reusable = True
        self._failure: Exception | None = None
        self._patience: float | None = None
        self._heard = self._loop.time()
        self.status = 0

    @property
    def is_free(self) -> bool:
        return self._reusable and not self._under_way and self._failure is None

    @property
    def has_heard(self) -> bool:
        """Whether anything of an answer to the last request has come."""
        return self._begun

    @property
    def headers(self) -> Headers:
        return Headers(self._raw)

    async def exchange(self, request: bytes, patience: float, *, bodiless: bool = False) -> Response:
        """``bodiless``: the request is such that its answer has no body."""
        self._bodiless = bodiless
        self._ask(request, patience, streams=False)
        await self._more()
        body = self._pieces
        return Response(self.status, Headers(self._raw), body[0] if len(body) == 1 else b"".join(body))

    async def open(self, request: bytes, patience: float | None) -> None:
        """Returns when the head of the answer is there."""
        self._ask(request, patience, streams=True)
        await self._more()

    async def piece(self) -> bytes:
        """What has come of the body since; empty at its end."""
        if not self._pieces and self._under_way:
            await self._more()
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    def give_up_if_late(self, now: float) -> None:
        """Breaks off an exchange in which nothing was heard for longer than the request allows."""
        if self._under_way and self._patience is not None and now - self._heard > self._patience:
            self._break(TimeoutError("timed out waiting for the server"))

    def idle_for(self, now: float) -> float:
        return now - self._heard

    def close(self) -> None:
        self._reusable = False
        # What is cut off is answered to nobody: there is nothing to say good-bye for.
        self._transport.abort()

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._in_body and not any(name.lower() in _BODY_ENDS for name, _ in self._raw):
            self.on_message_complete()
        self._fail(ConnectionResetError(str(exc) if exc else "the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        if not self._under_way:
            self._break(ConnectionError("the server spoke without being asked"))
            return
        if self._streams:
            self._heard = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._break(ConnectionError(f"the answer is not HTTP/1.1: {error}"))
            return
        if self._held > MOST_HELD and self._streams and not self._paused and self._under_way:
            self._paused = True
            self._transport.pause_reading()

    # Called by the parser.

    def on_message_begin(self) -> None:
        self._begun = True
        self._raw = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return
        self._in_body = True
        if self._bodiless:
            self._reusable = False
            self._end()
        elif self._streams:
            self._wake()

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        if self._streams:
            self._held += len(body)
            self._wake()

    def on_message_complete(self) -> None:
        if self.status >= 200:
            self._reusable = self._reusable and self._parser.should_keep_alive()
            self._end()

    def _ask(self, request: bytes, patience: float | None, *, streams: bool) -> None:
        if self._failure is not None:
            raise self._failure
        self._streams, self._patience = streams, patience
        self._under_way, self._begun, self._in_body = True, False, False
        self._pieces = []
        self._held = 0
        self._heard = self._loop.time()
        self._transport.write(request)

    async def _more(self) -> None:
        if self._failure is not None and self._under_way:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _end(self) -> None:
        self._under_way = self._in_body = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, error: Exception) -> None:
        self._fail(error)
        self._transport.abort()

    def _fail(self, error: Exception) -> None:
        if self._failure is None:
            self._failure = error
        if self._under_way and self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(self._failure)
