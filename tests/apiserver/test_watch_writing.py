"""What a turn of the loop has for a watcher goes out at once, whole and in order."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pybernetes.apiserver.metrics import EVENT_BYTES
from pybernetes.apiserver.watch_writing import Turns, WatchWriter
from pybernetes.apiserver.watching import MOST_PENDING


class _Transport:
    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = self.aborted = False
        self.waiting = 0

    def is_closing(self) -> bool:
        return self.closing

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.aborted = True


class _Stream:
    ended = False

    def end(self) -> None:
        self.ended = True


class _Counted:
    def __init__(self) -> None:
        self.sizes = [0] * (len(EVENT_BYTES) + 1)
        self.bytes = 0


def _writer(turns: Turns) -> tuple[Any, _Transport, _Stream, _Counted]:
    transport, stream, counted = _Transport(), _Stream(), _Counted()
    return WatchWriter(turns, *cast(Any, (transport, stream, counted))), transport, stream, counted


async def test_the_lines_of_one_turn_are_one_write_in_their_order() -> None:
    turns = Turns()
    (first, one, _, counted), (second, two, _, _) = _writer(turns), _writer(turns)
    for line in (b"a\n", b"bc\n"):
        first(line)
        second(line)
    second(b"own\n")
    await asyncio.sleep(0)
    assert one.written == [b"2\r\na\n\r\n3\r\nbc\n\r\n"]
    assert two.written == [b"2\r\na\n\r\n3\r\nbc\n\r\n4\r\nown\n\r\n"]
    assert (sum(counted.sizes), counted.bytes) == (2, 5)
    first(b"later\n")
    await asyncio.sleep(0)
    assert one.written[1:] == [b"6\r\nlater\n\r\n"]


async def test_what_waits_when_a_watch_ends_is_sent_before_its_end() -> None:
    writer, transport, _, _ = _writer(Turns())
    writer(b"last\n")
    writer.flush()
    transport.write(b"0\r\n\r\n")
    await asyncio.sleep(0)
    assert transport.written == [b"5\r\nlast\n\r\n", b"0\r\n\r\n"]


@pytest.mark.parametrize(("closing", "waiting", "aborted"), [(True, 0, False), (False, MOST_PENDING + 1, True)])
async def test_who_is_gone_or_does_not_read_is_not_watched_for_any_more(
    *, closing: bool, waiting: int, aborted: bool
) -> None:
    writer, transport, stream, _ = _writer(Turns())
    transport.closing, transport.waiting = closing, waiting
    writer(b"x\n")
    await asyncio.sleep(0)
    assert (stream.ended, transport.aborted) == (True, aborted)
    assert bool(transport.written) != closing
