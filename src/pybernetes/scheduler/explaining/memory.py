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
    preemption: Preemption | NoPreemption | None = None
    failure: str = ""
    """Why the placement did not last."""


class DecisionMemory:
    def __init__(self, most: int = MOST_DECISIONS, most_bytes: int = MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._kept: dict[Key, Remembered] = {}
        self._holders: dict[Template, int] = {}
        """How many kept decisions share each template: what it costs counts once."""
        self._own_bytes = 0
        self._unweighed = 0

    def __len__(self) -> int:
        return len(self._kept)

    def remember(self, trace: Trace | None, at: datetime, attempt: int = 1) -> None:
        """None: nothing was decided."""
        if trace is None:
            return
        key = trace.pod.key
        if key in self._kept:
            self.forget(key)
        self._kept[key] = Remembered(trace, at, attempt)
        self._own_bytes += trace.own_bytes
        self._holders[trace.template] = self._holders.get(trace.template, 0) + 1
        if len(self._kept) > self._most:
            self.forget(next(iter(self._kept)))
        # What templates cost grows with their history: they are weighed again now and then.
        self._unweighed += 1
        if self._own_bytes > self._most_bytes or self._unweighed >= _WEIGHED_EVERY:
            self._unweighed = 0
            while len(self._kept) > 1 and self.nbytes > self._most_bytes:
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
        self._own_bytes -= remembered.trace.own_bytes
        self._holders[template] -= 1
        if not self._holders[template]:
            del self._holders[template]

    @property
    def nbytes(self) -> int:
        return self._own_bytes + sum(template.nbytes for template in self._holders)


_WEIGHED_EVERY = 64
