"""The way from one life of a controller manager to the API server: late, lossy, and ending where it pleases."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from pybernetes.client import Request, Response, Stream, Transport, Unreachable

READS = ("GET", "HEAD", "OPTIONS")
BACKGROUND = {"leases", "events"}
"""What is written all the time and says nothing of convergence."""


@dataclass
class Weather:
    """Shared by all lives of all managers of a history; seeded, so that the same seed gives the same faults."""

    random: Random
    loss: float = 0.04
    writes: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    lost_creates: int = 0
    """Objects that were created without their creator's knowing: it may create them again."""

    def clear_up(self) -> None:
        self.loss = 0.0

    def forget(self) -> None:
        self.writes.clear()
        self.reads.clear()


class Trouble:
    """One life's transport. After `calls_to_live` calls it calls `die`, and nothing reaches the server any more."""

    def __init__(self, inner: Transport, weather: Weather, *, calls_to_live: int, die: Callable[[], None]) -> None:
        self._inner = inner
        self._weather = weather
        self._random = weather.random
        self._left = calls_to_live
        self._die = die
        self.dead = False

    async def send(self, request: Request) -> Response:
        self._count(request)
        await self._delay(request)
        if self._weather.loss:
            refused = self._refusal(request)
            if refused is not None:
                return refused
        response = await self._inner.send(request)
        await self._delay(request, lost_creates=int(request.method == "POST" and response.status == 201))
        if self._random.random() < self._weather.loss:
            self._weather.lost_creates += request.method == "POST" and response.status == 201
            raise Unreachable(request, "lost on the way back")
        return response

    def _count(self, request: Request) -> None:
        self._left -= 1
        words = request.path.strip("/").split("/")
        if not BACKGROUND & set(words) and not _is_discovery(words):
            counter = self._weather.reads if request.method in READS else self._weather.writes
            counter[str(request)] += 1

    async def _delay(self, request: Request, lost_creates: int = 0) -> None:
        if self._weather.loss:
            await asyncio.sleep(self._random.uniform(0.001, 0.05))
        if self._left <= 0 and not self.dead and self._weather.loss and self._random.random() < 0.5:
            self.dead = True
            self._die()
        if self.dead:
            self._weather.lost_creates += lost_creates
            raise Unreachable(request, "its process has ended")

    def _refusal(self, request: Request) -> Response | None:
        chance = self._random.random() / self._weather.loss
        if chance < 1:
            raise Unreachable(request, "lost on the way there")
        if chance < 1.5:
            return _status(500, "InternalError", {})
        if chance < 2:
            return _status(429, "TooManyRequests", {"Retry-After": "1"})
        if chance < 2.5 and request.method in ("PUT", "PATCH"):
            return _status(409, "Conflict", {})
        return None

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        await self._delay(request)
        if self._random.random() < self._weather.loss:
            # The history the watch was to go on from is forgotten: what happened meanwhile is seen only in a new list.
            gone = json.dumps({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}).encode()
            yield Stream(410, {}, _once(gone))
            return
        async with self._inner.stream(request) as stream:
            yield Stream(stream.status, stream.headers, self._late(request, stream.chunks))

    async def _late(self, request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            await self._delay(request)
            if self._random.random() < self._weather.loss:
                raise Unreachable(request, "watch dropped")
            yield chunk
            if self._random.random() < self._weather.loss:
                yield chunk

    async def close(self) -> None:
        """The way is everybody's: nothing to let go of."""


def _is_discovery(words: list[str]) -> bool:
    """`api`, `api/v1`, `apis`, `apis/<group>/<version>`."""
    return len(words) <= (2 if words[0] == "api" else 3)


def _status(code: int, reason: str, headers: dict[str, str]) -> Response:
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return Response(code, headers, json.dumps(document).encode())


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
