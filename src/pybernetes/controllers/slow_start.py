"""Slow start: do a thing many times at once, carefully.

The first batch is one call, each further batch is twice as large, and the first batch in which a call fails is the
last. So a quota or a webhook that refuses everything is asked once, not five hundred times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pybernetes.api.errors import ApiError
from pybernetes.client import Unreachable

BURST = 500
"""The most pods that one reconcile creates or deletes."""


@dataclass(frozen=True, slots=True)
class Outcome:
    succeeded: int
    errors: tuple[ApiError | Unreachable, ...]


async def slow_start(count: int, act: Callable[[int], Awaitable[object]]) -> Outcome:
    """Calls `act(0)` … `act(count - 1)`, in batches that double."""
    succeeded, begun, batch = 0, 0, min(count, 1)
    while batch:
        outcome = await all_at_once([act(number) for number in range(begun, begun + batch)])
        begun += batch
        succeeded += outcome.succeeded
        if outcome.errors:
            return Outcome(succeeded, outcome.errors)
        batch = min(2 * batch, count - begun)
    return Outcome(succeeded, ())


async def all_at_once(calls: list[Awaitable[object]]) -> Outcome:
    """Every call, whatever becomes of the others; refusals are returned, anything else is raised."""
    results = await asyncio.gather(*calls, return_exceptions=True)
    errors: list[ApiError | Unreachable] = []
    for result in results:
        if isinstance(result, ApiError | Unreachable):
            errors.append(result)
        elif isinstance(result, BaseException):
            raise result
    return Outcome(len(results) - len(errors), tuple(errors))
