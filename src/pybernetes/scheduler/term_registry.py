"""The affinity terms that placed pods carry, and how many of their holders are on each node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pybernetes.scheduler.affinity import AffinityTerm
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.tally import Tally

_MOST_COLUMNS = 64
_MOST_TEMPLATES = 1024
Picked = Sequence[tuple[AffinityTerm, Tally]]


class _Held:
    """A term with what its holders weigh by row. The column is made when somebody asks and kept up to date then."""

    def __init__(self, term: AffinityTerm) -> None:
        self.term = term
        self.by_row: dict[int, int] = {}
        self.column: Tally | None = None

    def add(self, row: int, amount: int) -> bool:
        """False when nobody holds the term any more."""
        left = self.by_row.get(row, 0) + amount
        if left:
            self.by_row[row] = left
        else:
            self.by_row.pop(row, None)
        if self.column is not None:
            self.column.add(row, amount)
        return bool(self.by_row)

    def filled(self, rows: int) -> Tally:
        if self.column is None:
            counts = np.zeros(rows, np.int64)
            counts[list(self.by_row)] = list(self.by_row.values())
            self.column = Tally(counts)
        self.column.lengthen(rows)
        return self.column


class HeldTerms:
    """Terms of one kind. Columns are as the state is now: whoever keeps what is made of one makes something new."""

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}
        self._picking: dict[bytes, list[_Held]] = {}
        """For a pod of a template the terms that pick it."""
        self._with_columns: dict[str, _Held] = {}

    def __bool__(self) -> bool:
        return bool(self._held)

    def hold(self, term: AffinityTerm, row: int, amount: int) -> None:
        held = self._held.get(term.identity)
        if held is None:
            held = self._held[term.identity] = _Held(term)
            self._picking.clear()
        if not held.add(row, amount):
            del self._held[term.identity]
            self._with_columns.pop(term.identity, None)
            self._picking.clear()

    def picking(self, pod: PodInfo, namespace_labels: Mapping[str, str], rows: int) -> Picked:
        found = self._picking.get(pod.template)
        if found is None:
            if len(self._picking) >= _MOST_TEMPLATES:
                self._picking.clear()
            found = [
                held for held in self._held.values() if held.term.picks(pod.namespace, pod.labels, namespace_labels)
            ]
            self._picking[pod.template] = found
        return [(held.term, self._column(held, rows)) for held in found]

    def forget(self) -> None:
        """What terms pick by has changed, such as a namespace's labels."""
        self._picking.clear()

    def _column(self, held: _Held, rows: int) -> Tally:
        """The columns that were asked for last are kept."""
        identity = held.term.identity
        self._with_columns.pop(identity, None)
        if len(self._with_columns) >= _MOST_COLUMNS:
            oldest = next(iter(self._with_columns))
            self._with_columns.pop(oldest).column = None
        self._with_columns[identity] = held
        return held.filled(rows)


class PlacedTerms:
    """``required`` and ``required_anti`` count holders; ``preferred`` sums weights, negative for anti-affinity."""

    def __init__(self) -> None:
        self.required = HeldTerms()
        self.required_anti = HeldTerms()
        self.preferred = HeldTerms()

    def change(self, row: int, pod: PodInfo, sign: int) -> None:
        terms = pod.inter_pod
        if not terms:
            return
        for term in terms.required_anti:
            self.required_anti.hold(term, row, sign)
        for term in terms.required:
            self.required.hold(term, row, sign)
        for weighted in terms.preferred:
            self.preferred.hold(weighted.term, row, sign * weighted.weight)

    def forget(self) -> None:
        for one in (self.required, self.required_anti, self.preferred):
            one.forget()
