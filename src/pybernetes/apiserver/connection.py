"""One client's connection: HTTP/1.1 in, ``ApiRequest`` and ``ApiResponse`` inside, bytes out.

Guarantees
  Requests of one connection are answered one after the other, in their order; a client that sends ahead, or does not
  read, is no longer read from.
  A body over the limit is refused before it is read whole, a head over the limit as soon as it is over. What is no HTTP
  is told so, and the connection ends.
  A client that goes ends what was under way for it. A request to speak another protocol is handed over whole.

Assumes  uvloop or asyncio transports; httptools parses. Follows net/http's server of Go in what it tells a client.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Protocol, cast

import httptools
from multidict import CIMultiDict

from pybernetes.apiserver.answer_head import HTTP_1_1, head_of
from pybernetes.apiserver.head_problems import head_problem, local_target
from pybernetes.apiserver.http import ApiRequest, ApiResponse, PeerCertificate, has_broken_escape
from pybernetes.apiserver.list_body import PIECE, ListBody
from pybernetes.apiserver.metrics import Watching
from pybernetes.apiserver.watch_writing import Turns, WatchWriter
from pybernetes.apiserver.watching import WatchStream

LONGEST_HEAD = 1024 * 1024
"""Bytes of a request's line and headers, as in Go: selectors and tokens are in them."""
HEAD_SECONDS = 32.0
"""Within which a client must have said what it wants, as upstream."""
IDLE_SECONDS = 90.0
_BUFFERED = 2048
"""Bytes of an answer whose length Go's server tells; longer ones go out in chunks, as there."""
_RANGES = "Accept-Ranges"
"""Of an answer that Go serves as a file, with its length whatever it is."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REFUSAL = b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%b"
_TOO_LARGE = b"431 Request Header Fields Too Large"
_BODILESS = frozenset({204, 304})


class Host(Protocol):
    """What a connection is served by."""

    max_body: int
    turns: Turns

    async def serve(self, request: ApiRequest, *, oversized: bool = False) -> ApiResponse:
        """Whatever happens is an answer; only the end of the connection ends it."""

    def over(self, request: ApiRequest) -> None:
        """The answer has gone out, or nobody waits for it."""

    def watching(self, request: ApiRequest, stream: WatchStream) -> Watching: ...

    def watched(self, stream: WatchStream) -> None: ...

    def hand_over(self, connection: Connection, transport: asyncio.Transport, received: bytes) -> None:
        """The connection is to speak another protocol; ``received`` is what it has said."""

    def made(self, connection: Connection) -> None: ...

    def lost(self, connection: Connection) -> None: ...


class _Head:
    """What has been read of a request."""

    __slots__ = ("body", "expects", "headers", "size", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[str, str]] = []
        self.body: list[bytes] = []
        self.size = 0
        self.expects = False


class _Exchange:
    """A request that waits for its answer, or has it."""

    __slots__ = ("keep_alive", "oversized", "request", "version")

    def __init__(self, request: ApiRequest, version: str, *, keep_alive: bool, oversized: bool) -> None:
        self.request = request
        self.version = version
        self.keep_alive = keep_alive
        self.oversized = oversized


class Connection(asyncio.Protocol):
    def __init__(self, host: Host) -> None:
        self._host = host
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._head = _Head()
        self._head_bytes = 0
        self._in_head = True
        self._transport: asyncio.Transport = cast(asyncio.Transport, None)
        self._peer: PeerCertificate | None = None
        self._remote = ""
        self._waiting: deque[_Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._since = self._loop.time()
        self._deaf = False
        """Nothing more is read as requests: the connection ends, or is to speak something else."""
        self._upgrade: bytes | None = None
        self._last = False
        self._drain: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer = PeerCertificate.of(transport)
        peer = transport.get_extra_info("peername")
        self._remote = str(peer[0]) if isinstance(peer, tuple) else ""
        self._host.made(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deaf = True
        self._waiting.clear()
        self._host.lost(self)
        if self._drain is not None and not self._drain.done():
            self._drain.set_exception(ConnectionResetError("the client has gone"))
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._drain = self._loop.create_future()

    def resume_writing(self) -> None:
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_result(None)

    def data_received(self, data: bytes) -> None:
        if self._upgrade is not None:
            self._upgrade += data
        if self._deaf:
            return
        if self._in_head:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._begin_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._refuse(b"400 Bad Request")
        else:
            if self._head_bytes > LONGEST_HEAD:
                self._refuse(_TOO_LARGE)

    def _begin_upgrade(self, rest: bytes) -> None:
        if self._deaf:
            return
        self._deaf = True
        self._upgrade = self._told() + rest
        self._next()

    # Called by the parser.

    def on_message_begin(self) -> None:
        self._head = _Head()
        self._since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        self._head.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name in (b"Expect", b"expect") and value.lower() == b"100-continue":
            self._head.expects = True
        self._head.headers.append((name.decode("latin-1"), value.decode("utf-8", "surrogateescape")))

    def on_headers_complete(self) -> None:
        head, too_large = self._head, self._head_bytes > LONGEST_HEAD
        self._in_head = False
        self._head_bytes = 0
        wrong = _TOO_LARGE if too_large else head_problem(self._parser.get_http_version(), head.headers)
        if wrong:
            self._refuse(wrong)
            return
        if head.url[:1] != b"/":
            head.url = local_target(head.url)
        if b"%" in head.url and has_broken_escape(head.url.decode("latin-1")):
            self._refuse(b"400 Bad Request")
            return
        if head.expects:
            self._transport.write(_CONTINUE)

    def on_body(self, body: bytes) -> None:
        head = self._head
        head.size += len(body)
        if head.size <= self._host.max_body:
            head.body.append(body)
        elif not self._deaf:
            self._deaf = True
            self._ask(keep_alive=False, oversized=True)

    def on_message_complete(self) -> None:
        self._in_head = True
        if not self._deaf and not self._parser.should_upgrade():
            self._ask(keep_alive=self._parser.should_keep_alive(), oversized=False)

    # One exchange after the other.

    @property
    def idle(self) -> bool:
        return self._task is None and not self._waiting

    def finish(self) -> None:
        """No request after the one under way."""
        self._last = True
        if self.idle:
            self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def close_if_silent(self, now: float) -> None:
        """A client that has not finished saying what it wants, or has wanted nothing for long."""
        if self.idle and now - self._since > (HEAD_SECONDS if self._head_bytes else IDLE_SECONDS):
            self._transport.close()

    def _ask(self, *, keep_alive: bool, oversized: bool) -> None:
        head, parser = self._head, self._parser
        body = head.body
        request = ApiRequest.received(
            parser.get_method().decode("ascii"),
            head.url.decode("utf-8", "surrogateescape"),
            CIMultiDict(head.headers),
            b"" if oversized or not body else body[0] if len(body) == 1 else b"".join(body),
            self._peer,
            self._remote,
        )
        exchange = _Exchange(request, parser.get_http_version(), keep_alive=keep_alive, oversized=oversized)
        if self._task is None:
            self._task = self._loop.create_task(self._answer(exchange))
            return
        self._waiting.append(exchange)
        self._transport.pause_reading()

    async def _answer(self, exchange: _Exchange) -> None:
        request, complete = exchange.request, False
        try:
            answer = await self._host.serve(request, oversized=exchange.oversized)
            await self._write(exchange, answer)
            complete = True
        finally:
            self._task = None
            self._host.over(request)
            if not complete:
                self._transport.abort()
        if exchange.keep_alive and not self._last:
            self._next()
        else:
            self._transport.close()

    def _next(self) -> None:
        if self._task is not None:
            return
        if self._waiting:
            self._task = self._loop.create_task(self._answer(self._waiting.popleft()))
            if not self._waiting:
                self._transport.resume_reading()
        elif self._upgrade is not None:
            self._host.hand_over(self, self._transport, self._upgrade)
        else:
            self._since = self._loop.time()

    async def _write(self, exchange: _Exchange, answer: ApiResponse) -> None:
        body = answer.body
        if isinstance(body, bytes | ListBody):
            await self._write_whole(exchange, answer, body)
        else:
            await self._write_stream(exchange, answer, body)

    async def _write_whole(self, exchange: _Exchange, answer: ApiResponse, body: bytes | ListBody) -> None:
        """What is too long for Go's buffer has no length there: it goes out as one chunk."""
        request, version = exchange.request, exchange.version
        keep_alive = exchange.keep_alive and not self._last
        length = 0 if answer.status in _BODILESS else len(body)
        bodiless = answer.status in _BODILESS or request.method == "HEAD"
        if length > _BUFFERED and version == HTTP_1_1 and _RANGES not in answer.headers:
            head = head_of(answer, request.audit_id, version, chunked=not bodiless, keep_alive=keep_alive)
            lead, end = b"%b%x\r\n" % (head, length), b"\r\n0\r\n\r\n"
        else:
            told = None if answer.status in _BODILESS else length
            head = lead = head_of(answer, request.audit_id, version, length=told, keep_alive=keep_alive)
            end = b""
        if bodiless:
            self._transport.write(head)
        else:
            await self._write_pieces(lead, body, end)
        await self._drained()

    async def _write_pieces(self, lead: bytes, body: bytes | ListBody, end: bytes) -> None:
        if isinstance(body, bytes) and len(body) < PIECE:
            self._transport.write(b"%b%b%b" % (lead, body, end))
            return
        for piece in body.pieces(lead, end) if isinstance(body, ListBody) else _pieces(lead, body, end):
            await self._drained()
            self._transport.write(piece)

    async def _write_stream(self, exchange: _Exchange, answer: ApiResponse, body: AsyncIterator[bytes]) -> None:
        """In chunks; to a client that does not know them as they come, until the connection ends."""
        request = exchange.request
        bodiless = answer.status in _BODILESS
        chunked = exchange.version == HTTP_1_1 and not bodiless
        exchange.keep_alive = exchange.keep_alive and (chunked or bodiless)
        self._transport.write(
            head_of(answer, request.audit_id, exchange.version, chunked=chunked, keep_alive=exchange.keep_alive)
        )
        if isinstance(body, WatchStream) and chunked:
            await self._watch(request, body)
        else:
            async with aclosing(body) as pieces:  # type: ignore[type-var]
                if request.method != "HEAD" and not bodiless:
                    await self._pass_on(pieces, chunked=chunked)
        if chunked and request.method != "HEAD":
            self._transport.write(b"0\r\n\r\n")

    async def _pass_on(self, pieces: AsyncIterator[bytes], *, chunked: bool) -> None:
        async for piece in pieces:
            if piece:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await self._drained()

    async def _watch(self, request: ApiRequest, stream: WatchStream) -> None:
        """Lines go from the cache to the connection without a task in between."""
        counted = self._host.watching(request, stream)
        try:
            writer = WatchWriter(self._host.turns, self._transport, stream, counted)
            stream.take(writer)
            async for _ in stream:
                pass
            writer.flush()
        finally:
            stream.end()
            counted.end()
            self._host.watched(stream)

    async def _drained(self) -> None:
        if self._drain is not None:
            await self._drain

    def _refuse(self, status: bytes) -> None:
        """Of a request that cannot be read there is nothing to tell but this."""
        self._deaf = True
        self._last = True
        if self.idle:
            self._transport.write(_REFUSAL % (status, status))
            self._transport.close()

    def _told(self) -> bytes:
        """The head of the request that is under way, as another server could have read it."""
        head, parser = self._head, self._parser
        lines = [f"{parser.get_method().decode()} {head.url.decode('latin-1')} HTTP/{parser.get_http_version()}"]
        lines += (f"{name}: {value}" for name, value in head.headers)
        return "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape")


def _pieces(lead: bytes, body: bytes, end: bytes) -> Iterator[bytes | memoryview]:
    yield lead
    rest = memoryview(body)
    for start in range(0, len(body), PIECE):
        yield rest[start : start + PIECE]
    if end:
        yield end
