"""Evaluator: where a pod should go, and why not elsewhere. A function of the cluster state; it changes nothing.

Every node is filtered and scored. What plugins of ``Scope.NODE`` said for a template is kept, and asked for again
only for the rows that changed since. Ties are broken by the injected random. ``trace`` has what the last decision was
made from, so that it can be explained later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from time import perf_counter

import msgspec
import numpy as np
import numpy.typing as npt

from pybernetes.api.clock import SystemClock
from pybernetes.scheduler.alike_rows import AlikeRows
from pybernetes.scheduler.arrays import EVERY_ROW, Ints, Mask, Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.explaining.trace import Template, Trace
from pybernetes.scheduler.figures import (
    FILTER,
    PRE_FILTER,
    SCORE,
    SUCCESS,
    UNRESOLVABLE,
    UNSCHEDULABLE,
    SchedulerFigures,
)
from pybernetes.scheduler.framework import (
    Code,
    FilterPlugin,
    Profile,
    Refusal,
    Rejection,
    Scope,
    Weighted,
    scores_as_is,
)
from pybernetes.scheduler.narrowing import InQuestion, in_question, narrowing
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.pods_and_filters import Concerned, PodFilters
from pybernetes.scheduler.promised_room import Promised
from pybernetes.scheduler.stopwatch import Stopwatch

REASON_PROMISED = "node(s) were promised to pods that preempted there"
"""In explanations only: events and conditions say what would be missing beside those pods."""

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


class Placement(msgspec.Struct, frozen=True, gc=False):
    node: str
    feasible: int
    """How many nodes would have done."""


Decision = Placement | Diagnosis
Filters = Sequence[FilterPlugin]


class Evaluator:
    def __init__(
        self, state: ClusterState, profile: Profile, random: Random, figures: SchedulerFigures | None = None
    ) -> None:
        figures = SchedulerFigures(SystemClock()) if figures is None else figures
        self._figures = figures.profile(profile.scheduler_name)
        self._stopwatch = Stopwatch(figures, self._figures)
        self._state = state
        self._profile = profile
        self._random = random
        self._templates: dict[tuple[bytes, str], Template] = {}
        self._node_filters = [one for one in profile.filters if one.scope is Scope.NODE]
        self._cluster_filters = [one for one in profile.filters if one.scope is Scope.CLUSTER]
        self._pod_filters = PodFilters(profile.filters)
        self._narrowing = narrowing(profile.filters)
        self._in_template: dict[str, tuple[Weighted, None]] = {one.plugin.name: (one, None) for one in profile.scores}
        self._as_is = frozenset(
            one.plugin.name for one in profile.scores if one.plugin.scope is Scope.NODE and scores_as_is(one.plugin)
        )
        self._alike = AlikeRows(self._node_filters, self._as_is)
        self.trace: Trace | None = None
        """What the last decision was made from; whoever wants to keep it takes it."""

    @property
    def profile(self) -> Profile:
        return self._profile

    def decide(self, pod: PodInfo) -> Decision:
        nodes = self._state.nodes
        self._stopwatch.new_decision()
        now = perf_counter()
        for plugin in self._profile.admitting:
            if (rejection := plugin.rejection(pod)) is not None:
                self._trace_rejection(pod, plugin.name, rejection)
                status = UNRESOLVABLE if rejection.code is Code.UNRESOLVABLE else UNSCHEDULABLE
                self._figures.reached(PRE_FILTER, status, now)
                return _rejected(nodes, plugin.name, rejection)
        now = self._figures.reached(PRE_FILTER, SUCCESS, now)
        trace, feasible = self._filtered(pod, nodes)
        now = self._figures.reached(FILTER, SUCCESS, now)
        if self._state.nominations:
            held = nodes.row(self._state.nominations.node_of(pod.key))
            if held is not None and feasible[held]:
                trace.row = held
                return Placement(nodes.names[held], 1)
        count = int(np.count_nonzero(feasible))
        if not count:
            return self.diagnose(pod)
        if count > 1:
            rows = self._best(pod, nodes, trace, feasible)
            self._figures.reached(SCORE, SUCCESS, now)
        else:
            rows = np.flatnonzero(feasible)
        row = trace.row = int(rows[0] if len(rows) == 1 else rows[self._random.randrange(len(rows))])
        return Placement(nodes.names[row], count)

    def examine(self, pod: PodInfo) -> Trace:
        """What a decision about the pod would be made from now; none is made, and no chance is used up."""
        nodes = self._state.nodes
        for plugin in self._profile.admitting:
            if (rejection := plugin.rejection(pod)) is not None:
                return self._trace_rejection(pod, plugin.name, rejection)
        trace, feasible = self._filtered(pod, nodes)
        if feasible.any():
            self._total(pod, nodes, trace, feasible, self._preferring(pod, nodes))
        return trace

    def diagnose(self, pod: PodInfo) -> Diagnosis:
        """Asks all filters about all nodes; a node counts for the first plugin that refuses it."""
        nodes = self._state.nodes
        undecided = nodes.present.copy()
        resolvable: Mask = np.zeros(nodes.capacity, np.bool_)
        reasons: dict[str, int] = {}
        rejected_by: set[str] = set()
        if (asked := in_question(self._narrowing, pod)) is not None:
            rejected_by.update(asked.plugins)
            outside = undecided & ~nodes.mask_of(_rows_of(asked, nodes))
            undecided &= ~outside
            if count := int(outside.sum()):
                reasons[asked.reason] = count
        promised = self._promised(pod, self.concerned(pod).needs(pod, nodes)) if self._state.nominations else None
        fuller = nodes if promised is None else promised.on(nodes)
        for plugin in self._profile.filters:
            if not plugin.concerns(pod, nodes):
                continue
            refused: Mask = np.zeros(nodes.capacity, np.bool_)
            hopeless: Mask = np.zeros(nodes.capacity, np.bool_)
            for refusal in plugin.filter(pod, fuller if self._pod_filters.counts(plugin) else nodes, EVERY_ROW):
                mask = refusal.mask & undecided
                if count := int(mask.sum()):
                    reasons[refusal.reason] = reasons.get(refusal.reason, 0) + count
                    rejected_by.add(plugin.name)
                    refused |= mask
                    if refusal.code is Code.UNRESOLVABLE:
                        hopeless |= mask
            resolvable |= refused & ~hopeless
            undecided &= ~refused
        for row in np.flatnonzero(undecided):
            # Only pods that are nominated to a node can refuse what no plugin has refused.
            resolvable[row] = True
            for plugin_name, reason in self._refusals_at(pod, int(row)):
                rejected_by.add(plugin_name)
                reasons[reason] = reasons.get(reason, 0) + 1
        return Diagnosis(len(nodes), reasons, frozenset(rejected_by), resolvable)

    def concerned(self, pod: PodInfo) -> Concerned:
        """The filters that have something to say of a pod now."""
        return self._pod_filters.concerned(pod, self._state.nodes)

    def fits(self, pod: PodInfo, row: int, filters: Filters | None = None) -> bool:
        """Whether every filter lets the pod onto one node, as the state is now and with those nominated to the node.

        ``filters``: all of the profile's, or those that are asked.
        """
        return bool(self._state.nodes.present[row]) and not self._refusals_at(pod, row, filters)

    def reasons_at(self, pod: PodInfo, row: int, filters: Filters | None = None) -> list[str]:
        """Why a node will not do; empty where the pod fits."""
        return [reason for _, reason in self._refusals_at(pod, row, filters)]

    def _refusals_at(self, pod: PodInfo, row: int, filters: Filters | None = None) -> list[tuple[str, str]]:
        """What the first plugin that refuses has to say, with its name."""
        asked = self._profile.filters if filters is None else filters
        node = self._state.nodes.names[row]
        others = self._state.nominations.before(pod, node)
        if others:
            with self._state.visited_by(others, node):
                refused = self._refused_as_it_is(pod, row, asked)
            if refused:
                return refused
        return self._refused_as_it_is(pod, row, asked)

    def _refused_as_it_is(self, pod: PodInfo, row: int, filters: Filters) -> list[tuple[str, str]]:
        nodes = self._state.nodes
        rows: Rows = np.array([row])
        for plugin in filters:
            if plugin.concerns(pod, nodes):
                reasons = [one.reason for one in plugin.filter(pod, nodes, rows) if one.mask[0]]
                if reasons:
                    return [(plugin.name, reason) for reason in reasons]
        return []

    def _respecting_nominations(self, pod: PodInfo, nodes: NodeColumns, feasible: Mask) -> Mask:
        """Without the nodes where the pod would take the place of one that was promised it."""
        asked = self.concerned(pod)
        needs = asked.needs(pod, nodes)
        promised = self._promised(pod, needs)
        if promised is None:
            return feasible
        kept = feasible.copy()
        for (line, amount), taken in zip(needs, promised.amounts, strict=True):
            free = nodes.allocatable[line] - nodes.requested[line] - taken
            kept[promised.rows] &= (free >= amount)[promised.rows]
        for row in promised.rows if asked.minding else promised.particular:
            kept[row] = kept[row] and self.fits(pod, int(row))
        return kept

    def _promised(self, pod: PodInfo, needs: Sequence[tuple[int, int]]) -> Promised | None:
        """What nominated pods are to find free of what the pod needs."""
        return self._state.nominations.room.before(pod, self._state.placed_keys, [line for line, _ in needs])

    def _filtered(self, pod: PodInfo, nodes: NodeColumns) -> tuple[Trace, Mask]:
        template = self._current(pod)
        trace = self.trace = Trace(pod, self._profile, template, nodes)
        feasible = self._feasible_in_cluster(pod, nodes, trace)
        if self._state.nominations:
            kept = self._respecting_nominations(pod, nodes, feasible)
            trace.refusals.append(("DefaultPreemption", Refusal(feasible & ~kept, REASON_PROMISED)))
            feasible = kept
        return trace, feasible

    def _trace_rejection(self, pod: PodInfo, plugin: str, rejection: Rejection) -> Trace:
        self.trace = Trace(pod, self._profile, Template(0), self._state.nodes)
        self.trace.rejection = (plugin, rejection)
        return self.trace

    def _current(self, pod: PodInfo) -> Template:
        nodes = self._state.nodes
        if (asked := in_question(self._narrowing, pod)) is not None:
            return self._about(pod, nodes, asked)
        key = (pod.template, pod.spec.node_name)
        template = self._templates.pop(key, None)
        changed = nodes.changes.since(template.position) if template is not None else None
        if template is not None and changed and len(changed) * 2 <= nodes.size and template.covers(nodes):
            template = template.forked() if template.is_long else template
            self._refresh_changed(pod, nodes, template, set(changed))
        elif template is None or changed is None or changed or not template.covers(nodes):
            template = Template(nodes.capacity)
            self._refresh(pod, nodes, template, EVERY_ROW)
        template.position = nodes.changes.position
        if len(self._templates) >= _MOST_TEMPLATES:
            del self._templates[next(iter(self._templates))]
        self._templates[key] = template
        return template

    def _about(self, pod: PodInfo, nodes: NodeColumns, asked: InQuestion) -> Template:
        """A template for a few nodes, which is not kept: the next pod is about others."""
        rows = np.array(_rows_of(asked, nodes), np.intp)
        template = Template(nodes.capacity)
        template.position = nodes.changes.position
        outside = nodes.present.copy()
        outside[rows] = False
        refusal = Refusal(outside, asked.reason, Code.UNRESOLVABLE)
        template.set_verdicts(EVERY_ROW, outside * template.bit_of(asked.plugins[0], refusal))
        if len(rows):
            self._refresh(pod, nodes, template, rows)
        return template

    def _refresh_changed(self, pod: PodInfo, nodes: NodeColumns, template: Template, changed: set[int]) -> None:
        if len(changed) > 1:
            self._refresh(pod, nodes, template, np.array(list(changed), np.intp))
            return
        (row,) = changed
        known = self._alike.known(pod, nodes, template, row)
        if known is not None and (answer := template.alike.get(known)) is not None:
            template.write(row, answer)
            return
        # A slice is a view of columns, which costs a fraction of a copy.
        self._refresh(pod, nodes, template, slice(row, row + 1))
        if known is not None:
            template.alike[known] = template.answer(row)

    def _refresh(self, pod: PodInfo, nodes: NodeColumns, template: Template, rows: Rows) -> None:
        if rows is not EVERY_ROW:
            template.step(rows)
        present = nodes.present[rows]
        verdicts: Ints | None = None
        for plugin in self._node_filters:
            if plugin.concerns(pod, nodes):
                for refusal in self._stopwatch.filter(plugin, pod, nodes, rows):
                    refused = refusal.mask & present
                    # Asked for each reason at each decision: count_nonzero is the quickest way to learn of none.
                    if np.count_nonzero(refused):
                        bits = refused * template.bit_of(plugin.name, refusal)
                        verdicts = bits if verdicts is None else verdicts | bits
        template.feasible[rows] = present if verdicts is None else present & (verdicts == 0)
        template.set_verdicts(rows, verdicts)
        for weighted in self._profile.scores:
            kept = template.scores.get(weighted.plugin.name)
            if kept is not None:
                kept[rows] = self._stopwatch.score(weighted.plugin, pod, nodes, rows, template.feasible)
        if template.worth is not None:
            template.weigh(template.worth, rows)

    def _feasible_in_cluster(self, pod: PodInfo, nodes: NodeColumns, trace: Trace) -> Mask:
        feasible = trace.template.feasible
        for plugin in self._cluster_filters:
            if plugin.concerns(pod, nodes):
                for refusal in self._stopwatch.filter(plugin, pod, nodes, EVERY_ROW):
                    feasible = feasible & ~refusal.mask
                    trace.refusals.append((plugin.name, refusal))
        return feasible

    def _preferring(self, pod: PodInfo, nodes: NodeColumns) -> list[Weighted]:
        return [one for one in self._profile.scores if one.plugin.prefers(pod, nodes)]

    def _best(self, pod: PodInfo, nodes: NodeColumns, trace: Trace, feasible: Mask) -> npt.NDArray[np.intp]:
        """The rows that are worth most, in their order."""
        template, preferring = trace.template, self._preferring(pod, nodes)
        if not preferring:
            return np.flatnonzero(feasible)
        if feasible is not template.feasible or not self._as_is.issuperset(one.plugin.name for one in preferring):
            rows = np.flatnonzero(feasible)
            total = self._total(pod, nodes, trace, feasible, preferring)[rows]
            best: npt.NDArray[np.intp] = rows[total == total.max()]
            return best
        for one in preferring:
            self._in_template_of(trace, one, pod, nodes, feasible)
        weights = {one.plugin.name: one.weight for one in preferring}
        worth = template.worth if template.weights == weights else template.weighed_by(weights)
        assert worth is not None
        return np.flatnonzero(worth == worth.max())

    def _in_template_of(
        self, trace: Trace, weighted: Weighted, pod: PodInfo, nodes: NodeColumns, feasible: Mask
    ) -> Ints:
        """A plugin's raw scores, which the template keeps; the trace is told to look there."""
        plugin = weighted.plugin
        kept = trace.template.scores.get(plugin.name)
        if kept is None:
            kept = self._stopwatch.score(plugin, pod, nodes, EVERY_ROW, feasible)
            trace.template.scores[plugin.name] = kept
        trace.scores.append(self._in_template[plugin.name])
        return kept

    def _total(
        self, pod: PodInfo, nodes: NodeColumns, trace: Trace, feasible: Mask, preferring: Sequence[Weighted]
    ) -> Ints:
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for weighted in preferring:
            plugin = weighted.plugin
            if plugin.scope is Scope.CLUSTER:
                raw = self._stopwatch.score(plugin, pod, nodes, EVERY_ROW, feasible)
                trace.scores.append((weighted, raw))
            else:
                raw = self._in_template_of(trace, weighted, pod, nodes, feasible)
            total += weighted.weight * plugin.normalise(pod, nodes, raw, feasible)
        return total


def _rows_of(asked: InQuestion, nodes: NodeColumns) -> list[int]:
    return [row for name in asked.nodes if (row := nodes.row(name)) is not None]


def _rejected(nodes: NodeColumns, plugin: str, rejection: Rejection) -> Diagnosis:
    hopeless = rejection.code is Code.UNRESOLVABLE
    resolvable: Mask = np.zeros(nodes.capacity, np.bool_) if hopeless else nodes.present.copy()
    return Diagnosis(len(nodes), {}, frozenset((plugin,)), resolvable, rejection.reason)
