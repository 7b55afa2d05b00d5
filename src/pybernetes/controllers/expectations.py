"""Expectations: what a controller has asked for and not yet seen.

A controller that creates three pods must not create three more because its informer has not shown them yet. It says
what it expects before it acts; until all of it was observed, or five minutes have passed, it does not act again.

Guarantees  A deletion counts once per object, by uid, however often it is reported.
Follows pkg/controller/controller_utils.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from pybernetes.api.clock import Clock
from pybernetes.api.meta import Key

TIMEOUT = 300.0


@dataclass(slots=True)
class _Pending:
    since: float
    creations: int = 0
    deletions: set[str] = field(default_factory=set)


class Expectations:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pending: dict[Key, _Pending] = {}

    def expect_creations(self, key: Key, count: int) -> None:
        self._pending[key] = _Pending(self._clock.monotonic(), creations=count)

    def expect_deletions(self, key: Key, uids: Iterable[str]) -> None:
        self._pending[key] = _Pending(self._clock.monotonic(), deletions=set(uids))

    def expect(self, key: Key, creations: int, deletions: Iterable[str]) -> None:
        """Both at once, for controllers that create and delete in one pass."""
        self._pending[key] = _Pending(self._clock.monotonic(), creations, set(deletions))

    def creation_observed(self, key: Key, count: int = 1) -> None:
        """Also said for creations that failed: they will never be seen."""
        pending = self._pending.get(key)
        if pending is not None:
            pending.creations = max(0, pending.creations - count)

    def deletion_observed(self, key: Key, uid: str) -> None:
        pending = self._pending.get(key)
        if pending is not None:
            pending.deletions.discard(uid)

    def satisfied(self, key: Key) -> bool:
        pending = self._pending.get(key)
        if pending is None or (pending.creations == 0 and not pending.deletions):
            return True
        return self._clock.monotonic() - pending.since > TIMEOUT

    def doomed(self, key: Key) -> Set[str]:
        """The uids whose deletion is still to be seen; none any more when that has taken too long."""
        pending = self._pending.get(key)
        return frozenset() if pending is None or self.satisfied(key) else pending.deletions

    def forget(self, key: Key) -> None:
        self._pending.pop(key, None)
