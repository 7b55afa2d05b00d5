"""Pods by importance: who of a node's pods would have to make room last, with what they hold as columns.

More important are pods of higher priority, and among equals those that started earlier; of those that have not started,
those that came last.
Nothing is worked out before somebody asks about a row, and again only after its pods have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.scheduler.arrays import Ints
from pybernetes.scheduler.columns import POD_SLOTS, NodeColumns
from pybernetes.scheduler.pod_info import PodInfo

PRIORITY, STARTED, TEMPLATE, AMOUNTS = range(4)
"""Lines of a node's columns; from ``AMOUNTS`` on there is one for each resource, as in ``NodeColumns.requested``.

Templates are numbered: equal numbers, equal templates, among what one call gives.
"""
NOT_STARTED = int(np.iinfo(np.int64).max)
_MOST_TEMPLATES = 1 << 17


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The pods of a node, the most important first; ``columns`` has a line for each attribute and a column for each."""

    node: str
    pods: tuple[PodInfo, ...]
    columns: Ints


class PodsByImportance:
    def __init__(self, nodes: NodeColumns) -> None:
        self._nodes = nodes
        self._ranked: dict[int, Ranked] = {}
        self._numbers: dict[bytes, int] = {}
        self._amounts: dict[bytes, tuple[int, ...]] = {}
        self._resources = 0

    def forget(self, row: int) -> None:
        """The pods of a row have changed."""
        self._ranked.pop(row, None)

    def of(self, rows: Iterable[int], pods_on: Callable[[str], Mapping[Key, PodInfo]]) -> list[Ranked]:
        """``pods_on`` has those that are on a node now."""
        if len(self._nodes.resources) != self._resources or len(self._numbers) > _MOST_TEMPLATES:
            self._resources = len(self._nodes.resources)
            for kept in (self._ranked, self._amounts, self._numbers):
                kept.clear()
        known = self._ranked.get
        return [known(row) or self._rank(row, pods_on) for row in rows]

    def _rank(self, row: int, pods_on: Callable[[str], Mapping[Key, PodInfo]]) -> Ranked:
        node = self._nodes.names[row]
        pods = pods_on(node).values()
        not_started = [one for one in pods if started(one) == NOT_STARTED]
        # Upstream takes these to start as it looks, so that the one that it looks at first starts before the others.
        alike = [*(one for one in pods if started(one) != NOT_STARTED), *reversed(not_started)]
        ordered = tuple(sorted(alike, key=importance))
        columns = np.array([self._line(one) for one in ordered], np.int64).reshape(-1, AMOUNTS + self._resources).T
        ranked = self._ranked[row] = Ranked(node, ordered, columns)
        return ranked

    def _line(self, pod: PodInfo) -> tuple[int, ...]:
        template = pod.template
        amounts = self._amounts.get(template)
        if amounts is None:
            wanted = {**pod.requests, POD_SLOTS: 1}
            amounts = self._amounts[template] = tuple(wanted.get(name, 0) for name in self._nodes.resources)
            self._numbers.setdefault(template, len(self._numbers))
        return pod.priority, started(pod), self._numbers[template], *amounts


def importance(pod: PodInfo) -> tuple[int, int]:
    """The lowest is the most important."""
    return -pod.priority, started(pod)


def started(pod: PodInfo) -> int:
    """Microseconds; a pod that has not started counts as the last."""
    at: datetime | None = pod.pod.status.start_time
    return NOT_STARTED if at is None else int(at.timestamp() * 1_000_000)
