"""Sums over topology domains: nodes that share a label's value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pybernetes.scheduler.arrays import ABSENT, Ids, Ints, Mask
from pybernetes.scheduler.tally import Tally

_MOST_TALLIES = 256


@dataclass(slots=True)
class _Kept:
    """The sums of a tally by domain, as they were at a position of its changes."""

    position: int
    totals: Ints
    occupied: bytes = b""
    near: Mask | None = None


class Domains:
    """The domains of one label among the nodes that count, found once and used for as long as no node changes.

    ``ids`` are the interned values by row.
    """

    def __init__(self, ids: Ids, counted: Mask) -> None:
        self.ids = ids
        self._counted: Mask = counted & (ids != ABSENT)
        self._rows = np.flatnonzero(self._counted)
        self._ids_of_rows = ids[self._rows]
        self._size = int(ids.max(initial=ABSENT)) + 2
        self.values: Ids = np.unique(self._ids_of_rows)
        """The distinct values that counted rows have."""
        self._one_row_each = len(self.values) == len(self._rows)
        """As host names are: nothing is added up then."""
        self._kept: dict[Tally, _Kept] = {}

    def totals(self, tally: Tally) -> Ints:
        """By interned value, with one zero more at the end for rows without the label. To be read at once."""
        return self._now(tally).totals

    def sums(self, tally: Tally) -> Ints:
        """For each row the sum over the counted rows of its domain; 0 for rows without the label."""
        if self._one_row_each:
            return tally.counts[: len(self.ids)] * self._counted
        # ABSENT is -1: it reads the extra last place.
        return self.totals(tally)[self.ids]

    def any(self, tally: Tally) -> Mask:
        """For each row whether somebody counts in its domain: the same mask while the same domains have somebody."""
        if self._one_row_each:
            return (tally.counts[: len(self.ids)] > 0) & self._counted
        kept = self._now(tally)
        occupied = kept.totals > 0
        known = occupied.tobytes()
        if kept.near is None or kept.occupied != known:
            near: Mask = occupied[self.ids]
            kept.near, kept.occupied = near, known
        return kept.near

    def added_up(self, counts: Ints) -> Ints:
        """As ``totals``, of numbers that are others each time."""
        found = np.bincount(self._ids_of_rows, weights=counts[self._rows], minlength=self._size)
        return found.astype(np.int64)

    def _now(self, tally: Tally) -> _Kept:
        kept = self._kept.get(tally)
        changes = tally.since(kept.position) if kept is not None else None
        if kept is None or changes is None:
            if len(self._kept) >= _MOST_TALLIES:
                self._kept.clear()
            kept = self._kept[tally] = _Kept(tally.position, self.added_up(tally.counts))
            return kept
        for row, amount in changes:
            if row < len(self._counted) and self._counted[row]:
                kept.totals[self.ids[row]] += amount
        kept.position = tally.position
        return kept


def totals_of(ids: Ids, counts: Ints, counted: Mask) -> Ints:
    """As ``Domains.totals``, where the nodes that count are others each time."""
    return Domains(ids, counted).added_up(counts)


def number_of_domains(ids: Ids, rows: Mask) -> int:
    """How many distinct values the rows have; having none is one more."""
    found = np.bincount(ids[rows] + 1)
    return int(np.count_nonzero(found))
