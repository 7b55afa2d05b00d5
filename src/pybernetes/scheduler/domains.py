"""Sums over topology domains: nodes that share a label's value."""

from __future__ import annotations

import numpy as np

from pybernetes.scheduler.arrays import ABSENT, Ids, Ints, Mask


def sum_by_domain(ids: Ids, counts: Ints, counted: Mask) -> Ints:
    """For each row the sum of ``counts`` over the counted rows of its domain; 0 for rows without the label."""
    # ABSENT is -1: it reads the extra last place.
    return totals_of(ids, counts, counted)[ids]


def totals_of(ids: Ids, counts: Ints, counted: Mask) -> Ints:
    """Totals by interned value, with one zero more at the end for rows without the label."""
    rows = np.flatnonzero(counted & (ids != ABSENT))
    size = int(ids.max(initial=ABSENT)) + 2
    return np.bincount(ids[rows], weights=counts[rows], minlength=size).astype(np.int64)


def domains_among(ids: Ids, rows: Mask) -> Ids:
    """The distinct values that the given rows have."""
    found: Ids = np.unique(ids[rows])
    return np.asarray(found[found != ABSENT])
