"""Stopwatch: asks plugins, and notes for one decision in ten how long each of them took."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.figures import (
    FILTER,
    SCORE,
    SUCCESS,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    ProfileFigures,
    SchedulerFigures,
)
from pybernetes.scheduler.framework import Code, FilterPlugin, Refusal, ScorePlugin
from pybernetes.scheduler.pod_info import PodInfo


class Stopwatch:
    def __init__(self, figures: SchedulerFigures, profile: ProfileFigures) -> None:
        self._figures = figures
        self._profile = profile
        self._is_running = False

    def new_decision(self) -> None:
        self._is_running = self._figures.is_sampled()

    def filter(self, plugin: FilterPlugin, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        self._profile.filtered[plugin.name] += 1
        if not self._is_running:
            return plugin.filter(pod, nodes, rows)
        began = perf_counter()
        refusals = plugin.filter(pod, nodes, rows)
        self._figures.plugins[plugin.name, FILTER, _status_of(refusals)].observe(perf_counter() - began)
        return refusals

    def score(self, plugin: ScorePlugin, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        self._profile.scored[plugin.name] += 1
        if not self._is_running:
            return plugin.score(pod, nodes, rows, feasible)
        began = perf_counter()
        scores = plugin.score(pod, nodes, rows, feasible)
        self._figures.plugins[plugin.name, SCORE, SUCCESS].observe(perf_counter() - began)
        return scores


def _status_of(refusals: Sequence[Refusal]) -> str:
    """A plugin that lets some node pass has done well."""
    if not refusals or not np.logical_or.reduce([one.mask for one in refusals]).all():
        return SUCCESS
    return UNRESOLVABLE if all(one.code is Code.UNRESOLVABLE for one in refusals) else UNSCHEDULABLE
