"""How many seats a level has wanted over a period: average, deviation, highest.

Follows k8s.io/apiserver/pkg/util/flowcontrol/fairqueuing/integrator.go.
"""

from __future__ import annotations

from math import sqrt

from pybernetes.apiserver.fairness.shares import Demand

_SMOOTHING = 0.977
"""Half of what was is forgotten in five minutes."""


class Integrator:
    """``add`` is on the path of every request, so it does no more than it must."""

    __slots__ = (
        "_area",
        "_began",
        "_highest",
        "_last",
        "_squares",
        "average",
        "deviation",
        "highest",
        "smoothed",
        "value",
    )

    def __init__(self, now: float) -> None:
        self._began = self._last = now
        self._area = self._squares = 0.0
        self._highest = self.highest = self.value = 0
        self.average = self.deviation = self.smoothed = 0.0

    def add(self, delta: int, now: float) -> None:
        value = self.value
        if value:
            area = (now - self._last) * value
            self._area += area
            self._squares += area * value
        self._last = now
        self.value = value = value + delta
        if value > self._highest:
            self._highest = value

    def take(self, now: float) -> Demand:
        """What was wanted since the last time, and begins a new period."""
        self.add(0, now)
        seconds = now - self._began
        highest = self.highest = self._highest
        if seconds > 0:
            self.average = self._area / seconds
            self.deviation = sqrt(max(0.0, self._squares / seconds - self.average**2))
            envelope = self.average + self.deviation
            self.smoothed = max(envelope, _SMOOTHING * self.smoothed + (1 - _SMOOTHING) * envelope)
        self._began = now
        self._area = self._squares = 0.0
        self._highest = self.value
        return Demand(highest, self.smoothed)
