"""Many byte streams over one connection that carries SPDY frames, whatever carries its bytes.

Guarantees  Bytes of a stream arrive in order. A stream that nobody reads makes the whole connection wait once
            `BUFFER` bytes lie there; `discard` throws away what still comes. When the connection ends, every stream
            ends: reads answer b"", writes raise `ConnectionEnded`.
Assumes     The carrier ends its reads when the connection is closed by either side.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Protocol

from pybernetes.api.streams import spdy

BUFFER = 1 << 20
_CHUNK = 1 << 16


class ConnectionEnded(Exception):
    """The connection that carries the stream is closed."""


class StreamRefused(Exception):
    """The peer reset the stream."""


class Carrier(Protocol):
    """What carries the frames: a socket, a WebSocket, a pipe in memory. `read` answers b"" at the end."""

    async def read(self) -> bytes: ...
    async def write(self, data: bytes) -> None: ...
    async def close(self) -> None: ...


class SocketCarrier:
    """Frames over a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


class MultiplexedStream:
    """One stream. Reading and writing end separately."""

    def __init__(self, owner: Multiplexer, number: int, headers: spdy.Headers, *, last: bool = False) -> None:
        self.number = number
        self.headers = headers
        self._owner = owner
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._ended = last
        self._discarding = False
        self._write_ended = False
        self._changed = asyncio.Event()
        self.refused: int | None = None
        self.lost = False
        """The connection ended before the peer ended the stream."""

    async def read(self) -> bytes:
        """The next bytes, or b"" when the peer has ended its side."""
        while not self._chunks:
            if self.refused is not None:
                raise StreamRefused(f"stream {self.number} was reset by the peer (status {self.refused})")
            if self._ended:
                return b""
            self._changed.clear()
            await self._changed.wait()
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        self._changed.set()
        return chunk

    async def read_all(self) -> bytes:
        chunks = []
        while chunk := await self.read():
            chunks.append(chunk)
        return b"".join(chunks)

    async def write(self, data: bytes) -> None:
        for start in range(0, len(data), _CHUNK):
            await self._owner.send_data(self.number, data[start : start + _CHUNK])

    async def close_write(self) -> None:
        """Tell the peer that nothing more comes. Again is nothing."""
        if not self._write_ended:
            self._write_ended = True
            with contextlib.suppress(ConnectionEnded):
                await self._owner.send_data(self.number, b"", last=True)
            self._owner.forget_if_over(self)

    async def reset(self, reason: spdy.ResetReason = spdy.ResetReason.CANCEL) -> None:
        self._write_ended = True
        self.end()
        with contextlib.suppress(ConnectionEnded):
            await self._owner.send_reset(self.number, reason)
        self._owner.forget_if_over(self)

    def discard(self) -> None:
        """Nobody will read this stream any more."""
        self._discarding = True
        self._chunks.clear()
        self._size = 0
        self._changed.set()

    @property
    def ended(self) -> bool:
        """The peer will send nothing more."""
        return self._ended

    @property
    def over(self) -> bool:
        return self._ended and self._write_ended

    # ---- called by the multiplexer

    async def put(self, data: bytes) -> None:
        if data and not self._discarding:
            self._chunks.append(data)
            self._size += len(data)
            self._changed.set()
            while self._size > BUFFER and not self._ended:
                self._changed.clear()
                await self._changed.wait()

    def end(self, refused: int | None = None) -> None:
        """A cancelled stream has simply ended: that is how servers close theirs when all is said."""
        self._ended = True
        self.refused = None if refused == spdy.ResetReason.CANCEL else refused
        self._changed.set()


class Multiplexer:
    """One side of the connection. `async with` runs its reading; leaving ends the connection and all streams."""

    def __init__(self, carrier: Carrier, side: spdy.Side) -> None:
        self._carrier = carrier
        self._protocol = spdy.Connection(side)
        self._streams: dict[int, MultiplexedStream] = {}
        self._replies: dict[int, asyncio.Future[None]] = {}
        self._incoming: asyncio.Queue[MultiplexedStream | None] = asyncio.Queue()
        self._sending = asyncio.Lock()
        self._ended = False
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Multiplexer:
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self) -> None:
        self._reading = asyncio.create_task(self._read())

    async def close(self) -> None:
        self._end()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._carrier.close()

    async def open(self, headers: spdy.Headers) -> MultiplexedStream:
        """A new stream, once the peer has accepted it."""
        accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        async with self._sending:
            # Numbers must go out in order, so taking one and sending it is one step.
            number, frame = self._protocol.open_stream(headers)
            stream = self._streams[number] = MultiplexedStream(self, number, headers)
            self._replies[number] = accepted
            await self._write(frame)
        try:
            await accepted
        finally:
            self._replies.pop(number, None)
        return stream

    async def next_stream(self) -> MultiplexedStream | None:
        """The next stream that the peer opens (answered already), or None when the connection has ended."""
        stream = await self._incoming.get()
        if stream is None:
            self._incoming.put_nowait(None)
        return stream

    async def send_data(self, number: int, data: bytes, *, last: bool = False) -> None:
        await self._send(self._protocol.data(number, data, last=last))

    async def send_reset(self, number: int, reason: spdy.ResetReason) -> None:
        await self._send(self._protocol.reset(number, reason))

    def forget_if_over(self, stream: MultiplexedStream) -> None:
        if stream.over:
            self._streams.pop(stream.number, None)

    async def _send(self, frame: bytes) -> None:
        async with self._sending:
            await self._write(frame)

    async def _write(self, frame: bytes) -> None:
        if self._ended:
            raise ConnectionEnded("the connection is closed")
        try:
            await self._carrier.write(frame)
        except (ConnectionError, RuntimeError) as error:
            self._end()
            raise ConnectionEnded(str(error)) from error

    async def _read(self) -> None:
        try:
            while data := await self._carrier.read():
                for event in self._protocol.receive(data):
                    await self._handle(event)
        except (spdy.SpdyError, ConnectionEnded):
            # What cannot be understood or answered ends the connection, and every stream learns that it has ended.
            return
        finally:
            self._end()

    async def _handle(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened(number, headers, last):
                stream = self._streams[number] = MultiplexedStream(self, number, headers, last=last)
                await self._send(self._protocol.accept(number))
                self._incoming.put_nowait(stream)
            case spdy.Accepted(number, _, last):
                self._resolve(number)
                if last:
                    self._end_stream(number)
            case spdy.Data(number, data, last):
                if (found := self._streams.get(number)) is not None:
                    await found.put(data)
                if last:
                    self._end_stream(number)
            case spdy.MoreHeaders(number, _, last):
                if last:
                    self._end_stream(number)
            case spdy.Reset(number, status):
                self._resolve(number, StreamRefused(f"stream {number} was refused (status {status})"))
                self._end_stream(number, refused=status)
            case spdy.Ping(number, ours=False):
                await self._send(self._protocol.pong(number))
            case spdy.Ping() | spdy.GoAway():
                return

    def _resolve(self, number: int, error: Exception | None = None) -> None:
        waiting = self._replies.pop(number, None)
        if waiting is None or waiting.done():
            return
        if error is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(error)

    def _end_stream(self, number: int, *, refused: int | None = None) -> None:
        stream = self._streams.get(number)
        if stream is not None:
            stream.end(refused)
            self.forget_if_over(stream)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        for stream in list(self._streams.values()):
            stream.lost = not stream.ended
            stream.end()
        self._streams.clear()
        for number in list(self._replies):
            self._resolve(number, ConnectionEnded("the connection is closed"))
        self._incoming.put_nowait(None)
