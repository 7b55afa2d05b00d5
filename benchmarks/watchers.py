"""Many watchers of one namespace, in processes of their own so that no one loop is what is measured.

Times are of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing as mp
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import uvloop

from benchmarks.connection import Target, trusting

OPENED_AT_ONCE = 50
_MARK = b'"bench":"#'


@contextmanager
def watching(target: Target, path: str, watchers: int, processes: int) -> Iterator[list[Connection]]:
    """While the block runs all watchers watch. Afterwards each connection has its process's `Arrivals`."""
    context = mp.get_context("spawn")
    pipes, children = [], []
    for _ in range(processes):
        ours, theirs = context.Pipe()
        arguments = (theirs, target.url, target.token, path, watchers // processes)
        child = context.Process(target=_watch, args=arguments, daemon=True)
        child.start()
        pipes.append(ours)
        children.append(child)
    for pipe in pipes:
        pipe.recv()
    yield pipes
    for child in children:
        child.join()


def arrivals(pipes: list[Connection]) -> list[tuple[int, float]]:
    """Ends the watching; the number and the time of each change that arrived, for each watcher."""
    for pipe in pipes:
        pipe.send("stop")
    return [one for pipe in pipes for one in pipe.recv()]


def _watch(pipe: Connection, url: str, token: str, path: str, count: int) -> None:
    gc.disable()
    target = Target(url, token, trusting() if url.startswith("https") else None)
    arrived = uvloop.run(_watch_until_told(pipe, target, path, count))
    # The loop has left the pipe non-blocking.
    os.set_blocking(pipe.fileno(), True)
    pipe.send(arrived)


async def _watch_until_told(pipe: Connection, target: Target, path: str, count: int) -> list[tuple[int, float]]:
    watchers = [_Watcher(target) for _ in range(count)]
    for start in range(0, count, OPENED_AT_ONCE):
        await asyncio.gather(*(one.open(path) for one in watchers[start : start + OPENED_AT_ONCE]))
    await asyncio.sleep(1)
    for one in watchers:
        one.times.clear()
    pipe.send("watching")
    told = asyncio.Event()
    asyncio.get_running_loop().add_reader(pipe.fileno(), told.set)
    await told.wait()
    return [arrival for one in watchers for arrival in one.times]


class _Watcher(asyncio.Protocol):
    """Notes when each numbered change arrived, and reads no more of an event than its number."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._rest = b""
        self.times: list[tuple[int, float]] = []

    async def open(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        target = self._target
        transport: Any
        transport, _ = await loop.create_connection(lambda: self, target.host, target.port, ssl=target.tls)
        transport.write(target.request("GET", path))

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        now = time.perf_counter()
        pieces = data.split(_MARK)
        for piece in pieces[1:]:
            number, mark, _ = piece.partition(b"#")
            if mark:
                self.times.append((int(number), now))
        self._rest = _MARK + pieces[-1] if len(pieces) > 1 and b"#" not in pieces[-1] else data[-12:]
