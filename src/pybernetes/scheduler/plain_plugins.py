"""Plugins in plain Python that look at one node at a time, and how they are found.

A plugin is a function or an object: ``filter(pod, node)`` says None, or why the node will not do; ``score(pod, node)``
says how good it is, from 0 to 100. A bare function is a filter. They see models of the API: a ``core_v1.Pod`` and a
``core_v1.Node``. Packages offer them under the entry point ``pybernetes.scheduler``; ``--plugin module:name`` names
others.
A plugin that raises fails the attempt of that pod alone, and an event says which plugin it was.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

import numpy as np

from pybernetes.api.models import core_v1
from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import Arguments
from pybernetes.scheduler.configuration.merging import ConfigurationError, Point
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, PluginFailed, Refusal, Scope
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.registry import ROWS, Row

GROUP = "pybernetes.scheduler"
Filter = Callable[[core_v1.Pod, core_v1.Node], str | None]
Score = Callable[[core_v1.Pod, core_v1.Node], int]


class PlainPlugin:
    """Asks a plain plugin about one node after the other."""

    scope = Scope.CLUSTER
    wakes_on = frozenset(ClusterEvent)

    def __init__(self, name: str, filter: Filter | None, score: Score | None) -> None:
        self.name = name
        self._filter = filter
        self._score = score

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return self._filter is not None

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        assert self._filter is not None
        asked = np.arange(nodes.capacity)[rows]
        refused: dict[str, Mask] = {}
        for place, row in enumerate(asked):
            node = nodes.nodes[row] if row < nodes.size else None
            if node is None:
                continue
            try:
                reason = self._filter(pod.pod, node)
            except Exception as error:
                raise PluginFailed(self.name, "Filter", error) from error
            if reason is not None:
                refused.setdefault(str(reason), np.zeros(len(asked), np.bool_))[place] = True
        return [Refusal(mask, reason) for reason, mask in refused.items()]

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return self._score is not None

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        assert self._score is not None
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for row in np.flatnonzero(feasible):
            node = nodes.nodes[row]
            assert node is not None
            try:
                score = int(self._score(pod.pod, node))
            except Exception as error:
                raise PluginFailed(self.name, "Score", error) from error
            if not 0 <= score <= MAX_SCORE:
                wrong = ValueError(f"score {score} is not in the range of 0 to {MAX_SCORE}")
                raise PluginFailed(self.name, "Score", wrong)
            total[row] = score
        return total[rows]

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw


def rows_with(references: Sequence[str] = ()) -> Mapping[str, Row]:
    """The rows of all plugins: ours, those that installed packages offer, those named. Raises ConfigurationError."""
    rows = dict(ROWS)
    for point in entry_points(group=GROUP):
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"scheduler plugin {point.name} ({point.value}): {error}") from error
        _add(rows, point.name, found)
    for reference in references:
        found = _found(reference)
        _add(rows, str(getattr(found, "name", "") or reference.rpartition(":")[2]), found)
    return rows


def row_of(name: str, found: Any) -> Row:
    """A class is called without arguments for its one instance. Raises ConfigurationError."""
    plugin = found() if isinstance(found, type) else found
    filter = getattr(plugin, "filter", None)
    score = getattr(plugin, "score", None)
    if filter is None and score is None and callable(plugin):
        filter = plugin
    points = [point for point, method in ((Point.FILTER, filter), (Point.SCORE, score)) if method is not None]
    if not points:
        raise ConfigurationError(f"scheduler plugin {name} has neither filter nor score")
    return Row(lambda parts, given: PlainPlugin(name, filter, score), tuple(points), Arguments, added=True)


def _add(rows: dict[str, Row], name: str, found: Any) -> None:
    if name in rows:
        raise ConfigurationError(f"a plugin named {name} already exists")
    rows[name] = row_of(name, found)


def _found(reference: str) -> Any:
    module, _, name = reference.partition(":")
    if not (module and name):
        raise ConfigurationError(f"scheduler plugin {reference!r}: want MODULE:NAME")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"scheduler plugin {reference}: {error}") from error
