"""DecisionMemory: the last decision about each pod, for as many pods as there is room for.

Guarantees
  At most ``MOST_DECISIONS`` decisions and about ``MOST_BYTES`` are kept; the oldest is forgotten first.
  Remembering costs no more than a few references; nothing readable is made before somebody asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pybernetes.api.meta import Key
from pybernetes.scheduler.explaining.trace import Template, Trace
from pybernetes.scheduler.preemption import NoPreemption, Preemption

MOST_DECISIONS = 4096
MOST_BYTES = 32 << 20


@dataclass(slots=True, eq=False)
class Remembered:
    """A decision that was taken, and what came of it."""

    trace: Trace
    at: datetime
    attempt: int
    nbytes: int
    """What keeping it costs besides its template."""
    preemption: Preemption | NoPreemption | None = None
    failure: str = ""
    """Why the placement did not last."""


class DecisionMemory:
    def __init__(self, most: int = MOST_DECISIONS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[Key, Remembered] = {}
        self._shared: dict[Template, _Shared] = {}
        self.nbytes = 0
        """About what keeping all this costs."""

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, trace: Trace | None, at: datetime, attempt: int = 1) -> None:
        """None: nothing was decided."""
        if trace is None:
            return
        key = trace.pod.key
        if key in self._kept:
            self.forget(key)
        nbytes = trace.own_bytes
        self._kept[key] = Remembered(trace, at, attempt, nbytes)
        self._share(trace.template)
        self.nbytes += nbytes
        while len(self._kept) > self._most or (self.nbytes > self._most_bytes and len(self._kept) > 1):
            self.forget(next(iter(self._kept)))

    def get(self, key: Key) -> Remembered | None:
        return self._kept.get(key)

    def note(
        self, key: Key, *, preemption: Preemption | NoPreemption | None = None, failure: str | None = None
    ) -> None:
        """What came of the decision about a pod."""
        remembered = self._kept.get(key)
        if remembered is None:
            return
        if preemption is not None:
            remembered.preemption = preemption
        if failure is not None:
            remembered.failure = failure

    def forget(self, key: Key) -> None:
        remembered = self._kept.pop(key, None)
        if remembered is None:
            return
        template = remembered.trace.template
        self.nbytes -= remembered.nbytes
        shared = self._shared[template]
        shared.holders -= 1
        if not shared.holders:
            self.nbytes -= shared.nbytes
            del self._shared[template]

    def _share(self, template: Template) -> None:
        """One more decision holds the template, which may have grown since it was weighed."""
        shared = self._shared.get(template)
        if shared is None:
            shared = self._shared[template] = _Shared()
        nbytes = template.nbytes
        self.nbytes += nbytes - shared.nbytes
        shared.nbytes = nbytes
        shared.holders += 1


@dataclass(slots=True)
class _Shared:
    """What a template costs counts once, however many decisions hold it."""

    holders: int = 0
    nbytes: int = 0
