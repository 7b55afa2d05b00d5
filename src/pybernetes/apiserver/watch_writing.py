"""The lines of watches on their way to connections, as chunks of chunked answers.

Guarantees
  What one turn of the event loop has for a connection goes out in one write: a write costs more than all else about an
  event. The chunk of a line is made once for all watchers.
  A client that does not read is cut off.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left

from pybernetes.apiserver.metrics import EVENT_BYTES, Watching
from pybernetes.apiserver.watching import MOST_PENDING, WatchStream


class Turns:
    """Which connections have something to be sent when the loop's present turn is over."""

    def __init__(self) -> None:
        self._waiting: list[WatchWriter] = []
        self._line = b""
        self._chunk = b""
        self.size_class = 0
        """Among the bounds of the sizes that are counted, of the line of the last chunk."""

    def add(self, writer: WatchWriter) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._flush)
        self._waiting.append(writer)

    def chunk(self, line: bytes) -> bytes:
        """An event comes to all its watchers one after the other."""
        if line is not self._line:
            size = len(line)
            self._line, self._chunk = line, b"%x\r\n%b\r\n" % (size, line)
            self.size_class = bisect_left(EVENT_BYTES, size)
        return self._chunk

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._line = self._chunk = b""
        for writer in waiting:
            writer.flush()


class WatchWriter:
    """Takes the lines of one watch."""

    __slots__ = ("_counted", "_pending", "_stream", "_transport", "_turns")

    def __init__(self, turns: Turns, transport: asyncio.Transport, stream: WatchStream, counted: Watching) -> None:
        self._turns = turns
        self._transport = transport
        self._stream = stream
        self._counted = counted
        self._pending: list[bytes] = []

    def __call__(self, line: bytes) -> None:
        counted = self._counted
        turns = self._turns
        pending = self._pending
        if not pending:
            turns.add(self)
        pending.append(turns.chunk(line))
        counted.sizes[turns.size_class] += 1
        counted.bytes += len(line)

    def flush(self) -> None:
        pending = self._pending
        if not pending:
            return
        chunks = pending[0] if len(pending) == 1 else b"".join(pending)
        pending.clear()
        transport = self._transport
        if transport.is_closing():
            self._stream.end()
            return
        transport.write(chunks)
        if transport.get_write_buffer_size() > MOST_PENDING:
            self._stream.end()
            transport.abort()
