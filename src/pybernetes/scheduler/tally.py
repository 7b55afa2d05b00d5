"""Tally: a number for each row that changes a row at a time, so that sums over rows need not be added up anew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pybernetes.scheduler.arrays import Ints

_MOST_CHANGES = 512
Change = tuple[int, int]
"""A row, and by how much its number grew."""


class Tally:
    __slots__ = ("_changes", "_dropped", "counts")

    def __init__(self, counts: Ints) -> None:
        self.counts = counts
        self._changes: list[Change] = []
        self._dropped = 0

    @property
    def position(self) -> int:
        return self._dropped + len(self._changes)

    def add(self, row: int, amount: int) -> None:
        self.lengthen(row + 1)
        self.counts[row] += amount
        self._changes.append((row, amount))
        if len(self._changes) > _MOST_CHANGES:
            self._dropped += len(self._changes)
            self._changes.clear()

    def since(self, position: int) -> Sequence[Change] | None:
        """None when so much has changed since that it is not known any longer."""
        return None if position < self._dropped else self._changes[position - self._dropped :]

    def lengthen(self, rows: int) -> None:
        missing = rows - len(self.counts)
        if missing > 0:
            self.counts = np.concatenate((self.counts, np.zeros(missing, np.int64)))
