"""The scoring strategies of NodeResourcesFit: which of two nodes is better by how full they are.

Follows least_allocated.go, most_allocated.go and requested_to_capacity_ratio.go of kube-scheduler's noderesources.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.configuration.arguments import ScoringStrategy, UtilizationShapePoint
from pybernetes.scheduler.framework import MAX_SCORE
from pybernetes.scheduler.resource_allocation import Use

_MOST_CUSTOM_SCORE = 10


class Strategy(Protocol):
    def score(self, uses: Iterable[Use], rows: Mask) -> Ints:
        """0 to 100 for each of as many rows as ``rows`` has."""


def strategy_of(arguments: ScoringStrategy) -> Strategy:
    match arguments.type:
        case "LeastAllocated":
            return LeastAllocated()
        case "MostAllocated":
            return MostAllocated()
        case "RequestedToCapacityRatio":
            ratio = arguments.requested_to_capacity_ratio
            return RequestedToCapacityRatio(ratio.shape if ratio is not None else ())
    raise ValueError(f"scoring strategy {arguments.type!r} is not known")


class LeastAllocated:
    def score(self, uses: Iterable[Use], rows: Mask) -> Ints:
        return _weighted_mean(((use, _free_share(use)) for use in uses), rows)


class MostAllocated:
    def score(self, uses: Iterable[Use], rows: Mask) -> Ints:
        return _weighted_mean(((use, _taken_share(use)) for use in uses), rows)


class RequestedToCapacityRatio:
    """A broken line over how full a node is; resources that score 0 do not weigh."""

    def __init__(self, shape: Sequence[UtilizationShapePoint]) -> None:
        self._by_percent = np.array([on_line(shape, percent) for percent in range(101)], np.int64)

    def score(self, uses: Iterable[Use], rows: Mask) -> Ints:
        total: Ints = np.zeros(len(rows), np.int64)
        weights: Ints = np.zeros(len(rows), np.int64)
        for use in uses:
            requested = use.before + use.wanted
            percent = np.minimum(requested * 100 // np.maximum(use.total, 1), 100)
            score = np.where(use.total == 0, 0, self._by_percent[percent])
            total += score * use.weight
            weights += np.where(score > 0, use.weight, 0)
        # Halves are rounded up, as Go does with positive numbers.
        return np.floor(total / np.maximum(weights, 1) + 0.5).astype(np.int64)


def on_line(shape: Sequence[UtilizationShapePoint], percent: int) -> int:
    scale = MAX_SCORE // _MOST_CUSTOM_SCORE
    for before, point in zip((None, *shape), shape, strict=False):
        if percent <= point.utilization:
            if before is None:
                return point.score * scale
            rise = (point.score - before.score) * scale * (percent - before.utilization)
            # Go divides towards zero.
            return before.score * scale + int(rise / (point.utilization - before.utilization))
    return shape[-1].score * scale


def _free_share(use: Use) -> Ints:
    """The share that stays free, 0 to 100; 0 where more is wanted than there is."""
    free = (use.total - (use.before + use.wanted)) * MAX_SCORE
    return np.asarray(np.maximum(free, 0) // np.maximum(use.total, 1))


def _taken_share(use: Use) -> Ints:
    return np.minimum(use.before + use.wanted, use.total) * MAX_SCORE // np.maximum(use.total, 1)


def _weighted_mean(scored: Iterable[tuple[Use, Ints]], rows: Mask) -> Ints:
    """Resources that a node has none of do not weigh."""
    total: Ints = np.zeros(len(rows), np.int64)
    weights: Ints | int = 0
    for use, score in scored:
        total += score if use.weight == 1 else score * use.weight
        weights = weights + (use.weight if use.everywhere else np.where(use.total == 0, 0, use.weight))
    # Where nothing weighs nothing was added either.
    return np.asarray(total // (max(weights, 1) if isinstance(weights, int) else np.maximum(weights, 1)))
