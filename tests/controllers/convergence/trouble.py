"""The way from one life of a controller manager to the API server: late, lossy, and ending where it pleases.

Whatever goes wrong is counted in `Weather.troubles`: what never happens tests nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from pybernetes.client import Request, Response, Stream, Transport, Unreachable

MOST_AT_ONCE, MOST_CALLS = 2000, 8000
"""Of all managers: without time getting on, and in a whole history, which takes some hundred as a rule."""
READS = ("GET", "HEAD", "OPTIONS")
BACKGROUND = {"leases", "events"}
"""What is written all the time and says nothing of convergence."""


class Fate(Enum):
    """How a life ends, after so many calls."""

    CRASH = "crash"
    """Nothing reaches the server any more, in the midst of whatever was under way. The lease stays taken."""
    LEAVE = "leave"
    """It is told to end, and gives the lease back."""
    CUT_OFF = "cut off"
    """The lease cannot be renewed, though all other calls get through."""


ONE_SIDED = (
    "request lost",
    "answer lost",
    "answer 500",
    "answer 429",
    "conflict",
    "watch dropped",
    "watch expired",
    "event repeated",
    "create unknown",
)
TROUBLES = (*ONE_SIDED, *(fate.value for fate in Fate), "takeover")
"""All that a number of histories of one kind must have seen."""
CAUSE = {"conflict": ("PUT", "PATCH"), "create unknown": ("POST",)}
"""What can only happen to calls of these methods."""


@dataclass
class Weather:
    """Shared by all lives of all managers of a history; seeded, so that the same seed gives the same faults."""

    random: Random
    loss: float = 0.04
    troubles: Counter[str] = field(default_factory=Counter)
    """What happened to calls of controllers, and how many calls of each method there were."""
    writes: Counter[str] = field(default_factory=Counter)
    reads: Counter[str] = field(default_factory=Counter)
    moment: float = 0.0
    calls_of_moment: int = 0
    lost_creates: int = 0
    """Objects that were created without their creator's knowing: it may create them again."""

    def clear_up(self) -> None:
        self.loss = 0.0

    def forget(self) -> None:
        self.writes.clear()
        self.reads.clear()

    def note_call(self, request: Request) -> None:
        """Raises HotLoop when there are too many."""
        if self.troubles.total() > MOST_CALLS:
            raise HotLoop(f"{request}: too many calls: {self.troubles}")
        now = asyncio.get_running_loop().time()
        if now != self.moment:
            self.moment, self.calls_of_moment = now, 0
        self.calls_of_moment += 1
        if self.calls_of_moment > MOST_AT_ONCE:
            raise HotLoop(f"{request}: the {self.calls_of_moment}th call at {now:.2f} s")


class HotLoop(Exception):
    """Something is done again and again without waiting for anything."""


class Trouble:
    """One life's transport. What `fate` says happens after `calls_to_live` calls; `end` ends the life."""

    def __init__(
        self, inner: Transport, weather: Weather, *, calls_to_live: int, fate: Fate, end: Callable[[], None]
    ) -> None:
        self._inner = inner
        self._weather = weather
        self._random = weather.random
        self._left = calls_to_live
        self._fate = fate
        self._end = end
        self._fulfilled = False

    async def send(self, request: Request) -> Response:
        if not _is_background(request):
            self._weather.note_call(request)
        self._count(request)
        await self._delay(request)
        if self._weather.loss:
            refused = self._refusal(request)
            if refused is not None:
                return refused
        response = await self._inner.send(request)
        created = request.method == "POST" and response.status == 201 and not _is_background(request)
        await self._delay(request, lost_creates=int(created))
        if self._happens():
            self._lose_create(int(created))
            raise self._lost(request, "answer lost")
        return response

    def _count(self, request: Request) -> None:
        self._left -= 1
        if not _is_background(request):
            counter = self._weather.reads if request.method in READS else self._weather.writes
            counter[str(request)] += 1
            self._weather.troubles[request.method] += 1

    async def _delay(self, request: Request, lost_creates: int = 0) -> None:
        if self._weather.loss:
            await asyncio.sleep(self._random.uniform(0.001, 0.05))
        if self._left <= 0 and not self._fulfilled and self._weather.loss and self._random.random() < 0.5:
            self._fulfilled = True
            self._weather.troubles[self._fate.value] += 1
            if self._fate is not Fate.CUT_OFF:
                self._end()
        if not self._fulfilled:
            return
        if self._fate is Fate.CRASH:
            self._lose_create(lost_creates)
            raise Unreachable(request, "its process has ended")
        if self._fate is Fate.CUT_OFF and "leases" in request.path:
            raise Unreachable(request, "cut off")

    def _lose_create(self, lost: int) -> None:
        self._weather.lost_creates += lost
        self._weather.troubles["create unknown"] += lost

    def _refusal(self, request: Request) -> Response | None:
        chance = self._random.random() / self._weather.loss
        if chance < 1:
            raise self._lost(request, "request lost")
        if chance < 1.5:
            return self._answer(request, "answer 500", _status(500, "InternalError", {}))
        if chance < 2:
            return self._answer(request, "answer 429", _status(429, "TooManyRequests", {"Retry-After": "1"}))
        if chance < 2.5 and request.method in ("PUT", "PATCH"):
            return self._answer(request, "conflict", _status(409, "Conflict", {}))
        return None

    def _answer(self, request: Request, trouble: str, response: Response) -> Response:
        self._note(request, trouble)
        return response

    def _note(self, request: Request, trouble: str) -> None:
        if not _is_background(request):
            self._weather.troubles[trouble] += 1

    def _happens(self) -> bool:
        return self._random.random() < self._weather.loss

    def _lost(self, request: Request, trouble: str) -> Unreachable:
        self._note(request, trouble)
        return Unreachable(request, trouble)

    @asynccontextmanager
    async def stream(self, request: Request) -> AsyncIterator[Stream]:
        await self._delay(request)
        if self._happens():
            # The history the watch was to go on from is forgotten: what happened meanwhile is seen only in a new list.
            self._note(request, "watch expired")
            gone = json.dumps({"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}).encode()
            yield Stream(410, {}, _once(gone))
            return
        async with self._inner.stream(request) as stream:
            yield Stream(stream.status, stream.headers, self._late(request, stream.chunks))

    async def _late(self, request: Request, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for chunk in chunks:
            await self._delay(request)
            if self._happens():
                raise self._lost(request, "watch dropped")
            yield chunk
            if self._happens():
                self._note(request, "event repeated")
                yield chunk

    async def close(self) -> None:
        """The way is everybody's: nothing to let go of."""


def _is_background(request: Request) -> bool:
    """Leases, events, and discovery: `api`, `api/v1`, `apis`, `apis/<group>/<version>`."""
    words = request.path.strip("/").split("/")
    return bool(BACKGROUND & set(words)) or len(words) <= (2 if words[0] == "api" else 3)


def _status(code: int, reason: str, headers: dict[str, str]) -> Response:
    document = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return Response(code, headers, json.dumps(document).encode())


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
