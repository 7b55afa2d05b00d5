"""Sums over topology domains: nodes that share a label's value."""

from __future__ import annotations

import numpy as np

from pybernetes.scheduler.arrays import ABSENT, Ids, Ints, Mask


class Domains:
    """The domains of one label among the nodes that count, found once and used for as long as no node changes.

    ``ids`` are the interned values by row.
    """

    def __init__(self, ids: Ids, counted: Mask) -> None:
        self.ids = ids
        self._rows = np.flatnonzero(counted & (ids != ABSENT))
        self._ids_of_rows = ids[self._rows]
        self._size = int(ids.max(initial=ABSENT)) + 2
        self.values: Ids = np.unique(self._ids_of_rows)
        """The distinct values that counted rows have."""

    def totals(self, counts: Ints) -> Ints:
        """By interned value, with one zero more at the end for rows without the label."""
        found = np.bincount(self._ids_of_rows, weights=counts[self._rows], minlength=self._size)
        return found.astype(np.int64)

    def sums(self, counts: Ints) -> Ints:
        """For each row the sum over the counted rows of its domain; 0 for rows without the label."""
        # ABSENT is -1: it reads the extra last place.
        return self.totals(counts)[self.ids]

    def any(self, counts: Ints) -> Mask:
        """For each row whether somebody counts in its domain."""
        found: Mask = (self.totals(counts) > 0)[self.ids]
        return found


def totals_of(ids: Ids, counts: Ints, counted: Mask) -> Ints:
    """As ``Domains.totals``, where the nodes that count are others each time."""
    return Domains(ids, counted).totals(counts)


def number_of_domains(ids: Ids, rows: Mask) -> int:
    """How many distinct values the rows have; having none is one more."""
    found = np.bincount(ids[rows] + 1)
    return int(np.count_nonzero(found))
