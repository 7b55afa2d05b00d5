"""Evaluator: where a pod should go, and why not elsewhere. A function of the cluster state; it changes nothing.

Every node is filtered and scored. What plugins of ``Scope.NODE`` said for a template is kept, and asked for again
only for the rows that changed since. Ties are broken by the injected random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

import numpy as np

from pybernetes.scheduler.arrays import EVERY_ROW, Ints, Mask, Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import Code, Profile, Rejection, Scope
from pybernetes.scheduler.pod_info import PodInfo

_MOST_TEMPLATES = 256


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why no node will do. ``resolvable`` are the rows where removing pods might help."""

    nodes: int
    reasons: Mapping[str, int]
    rejected_by: frozenset[str]
    resolvable: Mask
    rejection: str = ""
    """Why no node was asked at all."""


@dataclass(frozen=True, slots=True)
class Placement:
    node: str
    feasible: int
    """How many nodes would have done."""


Decision = Placement | Diagnosis


@dataclass(slots=True)
class _Template:
    """What the node-scoped plugins said, as of ``position`` in the change log."""

    position: int
    feasible: Mask
    scores: dict[str, Ints] = field(default_factory=dict)


class Evaluator:
    def __init__(self, state: ClusterState, profile: Profile, random: Random) -> None:
        self._state = state
        self._profile = profile
        self._random = random
        self._templates: dict[bytes, _Template] = {}
        self._node_filters = [one for one in profile.filters if one.scope is Scope.NODE]
        self._cluster_filters = [one for one in profile.filters if one.scope is Scope.CLUSTER]

    def decide(self, pod: PodInfo) -> Decision:
        nodes = self._state.nodes
        for plugin in self._profile.admitting:
            if (rejection := plugin.rejection(pod)) is not None:
                return _rejected(nodes, plugin.name, rejection)
        template = self._current(pod)
        feasible = self._feasible_in_cluster(pod, nodes, template.feasible)
        rows = np.flatnonzero(feasible)
        if not len(rows):
            return self.diagnose(pod)
        if len(rows) > 1:
            total = self._total(pod, nodes, template, feasible)[rows]
            rows = rows[total == total.max()]
        row = rows[0] if len(rows) == 1 else rows[self._random.randrange(len(rows))]
        return Placement(nodes.names[row], int(feasible.sum()))

    def diagnose(self, pod: PodInfo) -> Diagnosis:
        """Asks all filters about all nodes; a node counts for the first plugin that refuses it."""
        nodes = self._state.nodes
        undecided = nodes.present.copy()
        resolvable: Mask = np.zeros(nodes.capacity, np.bool_)
        reasons: dict[str, int] = {}
        rejected_by = set()
        for plugin in self._profile.filters:
            if not plugin.concerns(pod, nodes):
                continue
            refused: Mask = np.zeros(nodes.capacity, np.bool_)
            hopeless: Mask = np.zeros(nodes.capacity, np.bool_)
            for refusal in plugin.filter(pod, nodes, EVERY_ROW):
                mask = refusal.mask & undecided
                if count := int(mask.sum()):
                    reasons[refusal.reason] = reasons.get(refusal.reason, 0) + count
                    rejected_by.add(plugin.name)
                    refused |= mask
                    if refusal.code is Code.UNRESOLVABLE:
                        hopeless |= mask
            resolvable |= refused & ~hopeless
            undecided &= ~refused
        return Diagnosis(len(nodes), reasons, frozenset(rejected_by), resolvable)

    def fits(self, pod: PodInfo, row: int) -> bool:
        """Whether every filter lets the pod onto one node, as the state is now."""
        nodes = self._state.nodes
        rows: Rows = np.array([row])
        return bool(nodes.present[row]) and not any(
            refusal.mask.any()
            for plugin in self._profile.filters
            if plugin.concerns(pod, nodes)
            for refusal in plugin.filter(pod, nodes, rows)
        )

    def _current(self, pod: PodInfo) -> _Template:
        nodes = self._state.nodes
        template = self._templates.pop(pod.template, None)
        changed = nodes.changes.since(template.position) if template is not None else None
        if template is None or changed is None or len(template.feasible) != nodes.capacity:
            template = _Template(0, np.zeros(nodes.capacity, np.bool_))
            self._refresh(pod, nodes, template, EVERY_ROW)
        elif changed:
            rows = EVERY_ROW if len(changed) * 2 > nodes.size else np.unique(np.array(changed, np.intp))
            self._refresh(pod, nodes, template, rows)
        template.position = nodes.changes.position
        if len(self._templates) >= _MOST_TEMPLATES:
            del self._templates[next(iter(self._templates))]
        self._templates[pod.template] = template
        return template

    def _refresh(self, pod: PodInfo, nodes: NodeColumns, template: _Template, rows: Rows) -> None:
        feasible = nodes.present[rows].copy()
        for plugin in self._node_filters:
            if plugin.concerns(pod, nodes):
                for refusal in plugin.filter(pod, nodes, rows):
                    feasible &= ~refusal.mask
        template.feasible[rows] = feasible
        for weighted in self._profile.scores:
            kept = template.scores.get(weighted.plugin.name)
            if kept is not None:
                kept[rows] = weighted.plugin.score(pod, nodes, rows, template.feasible)

    def _feasible_in_cluster(self, pod: PodInfo, nodes: NodeColumns, feasible: Mask) -> Mask:
        for plugin in self._cluster_filters:
            if plugin.concerns(pod, nodes):
                for refusal in plugin.filter(pod, nodes, EVERY_ROW):
                    feasible = feasible & ~refusal.mask
        return feasible

    def _total(self, pod: PodInfo, nodes: NodeColumns, template: _Template, feasible: Mask) -> Ints:
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for weighted in self._profile.scores:
            plugin = weighted.plugin
            if not plugin.prefers(pod, nodes):
                continue
            if plugin.scope is Scope.CLUSTER:
                raw = plugin.score(pod, nodes, EVERY_ROW, feasible)
            else:
                kept = template.scores.get(plugin.name)
                if kept is None:
                    kept = template.scores[plugin.name] = plugin.score(pod, nodes, EVERY_ROW, feasible)
                raw = kept
            total += weighted.weight * plugin.normalise(pod, nodes, raw, feasible)
        return total


def _rejected(nodes: NodeColumns, plugin: str, rejection: Rejection) -> Diagnosis:
    hopeless = rejection.code is Code.UNRESOLVABLE
    resolvable: Mask = np.zeros(nodes.capacity, np.bool_) if hopeless else nodes.present.copy()
    return Diagnosis(len(nodes), {}, frozenset((plugin,)), resolvable, rejection.reason)
