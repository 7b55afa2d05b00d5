"""The affinity terms that placed pods carry, and how many of their holders are on each node."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pybernetes.scheduler.affinity import AffinityTerm
from pybernetes.scheduler.arrays import Ints
from pybernetes.scheduler.pod_info import PodInfo


@dataclass(slots=True)
class _Held:
    term: AffinityTerm
    by_row: dict[int, int]

    def add(self, row: int, amount: int) -> bool:
        """False when nobody holds the term any more."""
        left = self.by_row.get(row, 0) + amount
        if left:
            self.by_row[row] = left
        else:
            self.by_row.pop(row, None)
        return bool(self.by_row)

    def column(self, rows: int) -> Ints:
        column = np.zeros(rows, np.int64)
        column[list(self.by_row)] = list(self.by_row.values())
        return column


class PlacedTerms:
    """``required`` and ``required_anti`` count holders; ``preferred`` sums weights, negative for anti-affinity."""

    def __init__(self) -> None:
        self.required: dict[str, _Held] = {}
        self.required_anti: dict[str, _Held] = {}
        self.preferred: dict[str, _Held] = {}

    def change(self, row: int, pod: PodInfo, sign: int) -> None:
        terms = pod.inter_pod
        if not terms:
            return
        for term in terms.required_anti:
            _hold(self.required_anti, term, row, sign)
        for term in terms.required:
            _hold(self.required, term, row, sign)
        for weighted in terms.preferred:
            _hold(self.preferred, weighted.term, row, sign * weighted.weight)

    def required_for(
        self, pod: PodInfo, namespace_labels: Mapping[str, str], rows: int
    ) -> Iterator[tuple[AffinityTerm, Ints]]:
        return _picking(self.required, pod, namespace_labels, rows)

    def required_anti_for(
        self, pod: PodInfo, namespace_labels: Mapping[str, str], rows: int
    ) -> Iterator[tuple[AffinityTerm, Ints]]:
        return _picking(self.required_anti, pod, namespace_labels, rows)

    def preferred_for(
        self, pod: PodInfo, namespace_labels: Mapping[str, str], rows: int
    ) -> Iterator[tuple[AffinityTerm, Ints]]:
        return _picking(self.preferred, pod, namespace_labels, rows)


def _hold(table: dict[str, _Held], term: AffinityTerm, row: int, amount: int) -> None:
    held = table.get(term.identity)
    if held is None:
        held = table[term.identity] = _Held(term, {})
    if not held.add(row, amount):
        del table[term.identity]


def _picking(
    table: dict[str, _Held], pod: PodInfo, namespace_labels: Mapping[str, str], rows: int
) -> Iterator[tuple[AffinityTerm, Ints]]:
    for held in table.values():
        if held.term.picks(pod.namespace, pod.labels, namespace_labels):
            yield held.term, held.column(rows)
