"""Histories: what may happen to a controller's objects, and what must hold whatever did.

A controller's file states a `History` and says `test_…, test_…_nightly, test_…_in_all_troubles = properties(history)`.
A history is a number of actions drawn by a seed, over a bad connection, with managers that die between any two calls.
Then the weather clears, the hands do what is left to do, and when nothing moves any more
  `at_rest` must find every status true and nothing missing or too much;
  no controller may write anything for another long while, and it may not read more than a few times.
`always` is asked about every single change at the moment it is committed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from controllers.convergence import hands
from controllers.convergence.trouble import CAUSE, TROUBLES
from controllers.convergence.world import QUIET, UNHURRIED, Step, World, world
from pybernetes.client.leader import Timing
from pybernetes.controllers.network_options import NetworkOptions

Action = Callable[[World], Awaitable[None]]

STEPS = 40
READS_AT_REST = 40
"""Of two managers in as long a time as `QUIET`: what the periodic ones look up."""


async def _nothing(_: World) -> None: ...


def _no_complaint(_: World, __: Step) -> None: ...


@dataclass(frozen=True, kw_only=True)
class History:
    controllers: tuple[str, ...]
    actions: Mapping[Action, int]
    """What may happen, and how often it is chosen."""

    begin: Action = _nothing
    always: Callable[[World, Step], None] = _no_complaint
    """Complains to the world about a change that should not have been."""

    at_rest: Callable[[World], Iterable[str]]
    """What is wrong once all is quiet."""

    drive: Callable[[World], Awaitable[bool]] = hands.finish_all
    network: NetworkOptions = NetworkOptions()
    leases: Timing = UNHURRIED
    meanwhile: Action = _nothing
    """Goes on beside everything else until the history ends."""

    steps: int = STEPS
    reads_at_rest: int = READS_AT_REST
    pauses: tuple[float, ...] = field(default=(0.0, 0.02, 0.2, 1.0, 3.0, 30.0))
    """Seconds between two actions."""


async def run(history: History, seed: int) -> Counter[str]:
    """Returns how often each trouble happened."""
    async with world(seed, history.controllers, history.network, history.leases) as present:
        present.observers.append(history.always)
        await history.begin(present)
        beside = asyncio.create_task(_beside(history, present))
        actions, weights = list(history.actions), list(history.actions.values())
        try:
            for _ in range(history.steps):
                [action] = present.random.choices(actions, weights)
                await action(present)
                await present.clock.advance(present.random.choice(history.pauses))
                present.check()
            present.weather.clear_up()
            await present.rest(history.drive)
            present.check()
            wrong = list(history.at_rest(present))
            assert not wrong, "\n".join(wrong)
            await _stays_at_rest(present, history.reads_at_rest)
        finally:
            beside.cancel()
            await asyncio.wait([beside])
        return present.weather.troubles


async def _beside(history: History, present: World) -> None:
    """What ends by itself with an error is a defect of the history: `World.check` tells it."""
    try:
        await history.meanwhile(present)
    except Exception as error:  # noqa: BLE001 - handed on
        present.defects.append(error)


async def _stays_at_rest(present: World, most_reads: int) -> None:
    present.weather.forget()
    await present.clock.advance(QUIET)
    present.check()
    assert not present.weather.writes, f"written at rest: {present.weather.writes.most_common(5)}"
    reads = present.weather.reads
    assert reads.total() <= most_reads, f"read at rest: {reads.most_common(5)}"


MOST_HISTORIES = 200
"""In so many histories of one kind every trouble must have happened."""


async def missing_troubles(history: History) -> list[str]:
    """Those that never happen, of those that can: who never creates anything need not be in doubt whether he did."""
    seen: Counter[str] = Counter()
    missing: list[str] = []
    for seed in range(1000, 1000 + MOST_HISTORIES):
        seen += await run(history, seed)
        possible = [one for one in TROUBLES if one not in CAUSE or any(seen[method] for method in CAUSE[one])]
        missing = [one for one in possible if not seen[one]]
        if not missing:
            break
    return missing


def properties(history: History, *, seeds: int = 2, nightly: int = 40) -> tuple[Any, Any, Any]:
    """The ordinary test of a history, with few seeds, the nightly one with many, and that nothing is spared it."""

    @pytest.mark.virtual_time
    @pytest.mark.parametrize("seed", range(seeds))
    async def test(seed: int) -> None:
        await run(history, seed)

    @pytest.mark.nightly
    @pytest.mark.virtual_time
    @pytest.mark.parametrize("seed", range(1000, 1000 + nightly))
    async def test_nightly(seed: int) -> None:
        await run(history, seed)

    @pytest.mark.nightly
    @pytest.mark.virtual_time
    async def test_troubles() -> None:
        assert not await missing_troubles(history)

    return test, test_nightly, test_troubles
