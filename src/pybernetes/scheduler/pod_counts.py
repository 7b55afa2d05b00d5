"""How many pods of a selection are on each node, kept for every selection that someone asked about.

Topology spread and inter-pod affinity ask the same few questions for every pod; counting anew would cost a pass over
all pods, keeping the count costs a look at each pod that comes or goes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.tally import Tally

Weigh = Callable[[PodInfo], int]
"""What a pod adds to its node's count; 0 for pods that are not picked."""
Placed = Callable[[], Iterable[tuple[int, PodInfo]]]
_MOST_SELECTIONS = 512
_MOST_TEMPLATES = 4096


@dataclass(slots=True)
class _Selection:
    weigh: Weigh
    tally: Tally


class PodCounts:
    def __init__(self, placed: Placed) -> None:
        self._placed = placed
        self._selections: dict[str, _Selection] = {}
        self._picking: dict[tuple[bytes, bool], list[tuple[_Selection, int]]] = {}
        """For pods of a template, on their way out or not, the selections that count them and by how much."""

    def of(self, identity: str, weigh: Weigh, rows: int) -> Tally:
        """Counts per row, at least ``rows`` long. Equal identities must weigh alike."""
        selection = self._selections.pop(identity, None)
        if selection is None:
            selection = self._count(weigh, rows)
            self._picking.clear()
            if len(self._selections) >= _MOST_SELECTIONS:
                del self._selections[next(iter(self._selections))]
        # Taken out and put back: the one not asked for longest stands first.
        self._selections[identity] = selection
        selection.tally.lengthen(rows)
        return selection.tally

    def change(self, row: int, pod: PodInfo, sign: int) -> None:
        for selection, weight in self._selections_of(pod):
            selection.tally.add(row, sign * weight)

    def forget(self) -> None:
        """What selections weigh by has changed (such as a namespace's labels): count anew when asked."""
        self._selections.clear()
        self._picking.clear()

    def _selections_of(self, pod: PodInfo) -> list[tuple[_Selection, int]]:
        key = (pod.template, pod.is_terminating)
        found = self._picking.get(key)
        if found is None:
            if len(self._picking) >= _MOST_TEMPLATES:
                self._picking.clear()
            weighed = [(one, one.weigh(pod)) for one in self._selections.values()]
            found = self._picking[key] = [(one, weight) for one, weight in weighed if weight]
        return found

    def _count(self, weigh: Weigh, rows: int) -> _Selection:
        counts = np.zeros(rows, np.int64)
        for row, pod in self._placed():
            counts[row] += weigh(pod)
        return _Selection(weigh, Tally(counts))
