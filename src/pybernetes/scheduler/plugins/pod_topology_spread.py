"""PodTopologySpread: pods of one selection are spread over zones, hosts or any other domains.

Pods that do not say how are spread by the default constraints: by Services and owning workloads over hosts and zones,
or as the plugin's arguments list. Follows
https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.scheduler.arrays import ABSENT, Floats, Ints, Mask, Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import PodTopologySpreadArgs
from pybernetes.scheduler.domains import Domains, number_of_domains
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.plugins.node_affinity import required_nodes
from pybernetes.scheduler.plugins.taint_toleration import TaintToleration
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.tally import Tally
from pybernetes.scheduler.workloads import Workloads

REASON = "node(s) didn't match pod topology spread constraints"
REASON_NO_LABEL = "node(s) didn't match pod topology spread constraints (missing required label)"
_HARD, _SOFT = "DoNotSchedule", "ScheduleAnyway"
_MOST_TEMPLATES = 256
_ABOUT_NODES = frozenset(
    (
        ClusterEvent.NODE_ADDED,
        ClusterEvent.NODE_REMOVED,
        ClusterEvent.NODE_LABELS_CHANGED,
        ClusterEvent.NODE_TAINTS_CHANGED,
    )
)
HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"
_SYSTEM_DEFAULTS = (
    core_v1.TopologySpreadConstraint(topology_key=HOSTNAME, when_unsatisfiable="ScheduleAnyway", max_skew=3),
    core_v1.TopologySpreadConstraint(topology_key=ZONE, when_unsatisfiable="ScheduleAnyway", max_skew=5),
)


@dataclass(frozen=True, slots=True)
class Constraint:
    topology_key: str
    max_skew: int
    min_domains: int
    selector: LabelSelector | None
    namespace: str
    honours_affinity: bool = True
    honours_taints: bool = False

    def weigh(self, pod: PodInfo) -> int:
        """1 for a placed pod that counts; a selector without requirements picks none of them."""
        picked = (
            pod.namespace == self.namespace
            and not pod.is_terminating
            and self.selector is not None
            and bool(self.selector.requirements)
            and self.selector.matches(pod.labels)
        )
        return int(picked)

    def selects(self, pod: PodInfo | None) -> bool:
        """Whether a pod counts, or did before it was on its way out."""
        if pod is None or self.selector is None or pod.namespace != self.namespace:
            return False
        return self.selector.matches(pod.labels)

    def picks(self, incoming: PodInfo) -> int:
        """1 when the pod that is to be placed will count too."""
        return int(self.selector is not None and self.selector.matches(incoming.labels))

    @property
    def identity(self) -> str:
        return f"spread|{self.namespace}|{self.selector}"


class Spread:
    """What a pod's constraints of one kind make of the nodes as they are; the same until one is relabelled or tainted.

    ``domains`` has for each constraint those whose pods count, ``lacks`` the nodes without its topology key.
    """

    def __init__(self, constraints: Sequence[Constraint], lacking: Mask, domains: Sequence[Domains]) -> None:
        self.constraints = constraints
        self.lacking = lacking
        """The nodes without all topology keys."""
        self.domains = domains
        self.lacks = [each.ids == ABSENT for each in domains]
        self._numbers: dict[int, tuple[Mask, int]] = {}

    def number_of_domains(self, index: int, scored: Mask) -> int:
        """How many domains the nodes have that are scored: counted anew when others are."""
        known = self._numbers.get(index)
        if known is None or not np.array_equal(known[0], scored):
            number = number_of_domains(self.domains[index].ids, scored)
            known = self._numbers[index] = scored.copy(), number
        return known[1]


class PodTopologySpread:
    name = "PodTopologySpread"
    scope = Scope.CLUSTER
    wakes_on = _ABOUT_NODES | {
        ClusterEvent.POD_ASSIGNED,
        ClusterEvent.POD_REMOVED,
        ClusterEvent.POD_LABELS_CHANGED,
    }

    def __init__(self, state: ClusterState, workloads: Workloads, arguments: PodTopologySpreadArgs) -> None:
        self._system_defaults = arguments.defaulting_type == "System"
        self._defaults = _SYSTEM_DEFAULTS if self._system_defaults else arguments.default_constraints
        self._hard_defaults = any(one.when_unsatisfiable == _HARD for one in self._defaults)
        self._state = state
        self._workloads = workloads
        self._taints = TaintToleration()
        self._parsed: dict[tuple[bytes, str], tuple[int, Sequence[Constraint]]] = {}
        self._spreads: dict[tuple[bytes, str], tuple[object, Spread]] = {}

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A pod came or went that counts, or a node that has, or had, all topology keys."""
        constraints = self._constraints(pod, _HARD)
        if change.event in _ABOUT_NODES:
            nodes = [one for one in (change.old, change.new) if one is not None]
            return any(all(one.topology_key in node.metadata.labels for one in constraints) for node in nodes)
        before, after = change.old, change.new
        return any(one.selects(before) != one.selects(after) for one in constraints)

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        if pod.spec.topology_spread_constraints:
            return any(one.when_unsatisfiable == _HARD for one in pod.spec.topology_spread_constraints)
        return self._hard_defaults and bool(self._constraints(pod, _HARD))

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        """A node counts for the first constraint that refuses it."""
        spread = self._spread(pod, nodes, _HARD)
        skewed: Mask | None = None
        missing: Mask | None = None
        for one, domains, lacks in zip(spread.constraints, spread.domains, spread.lacks, strict=True):
            totals = domains.totals(self._counts(one, nodes))
            fewest = int(totals[domains.values].min()) if len(domains.values) >= max(one.min_domains, 1) else 0
            too_many = totals + one.picks(pod) - fewest > one.max_skew
            too_many[ABSENT] = False
            refused = too_many[domains.ids]
            if skewed is None or missing is None:
                skewed, missing = refused, lacks
            else:
                undecided = ~(skewed | missing)
                skewed, missing = skewed | (undecided & refused), missing | (undecided & lacks)
        if skewed is None or missing is None:
            return ()
        return (Refusal(missing[rows], REASON_NO_LABEL, Code.UNRESOLVABLE), Refusal(skewed[rows], REASON))

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(self._constraints(pod, _SOFT))

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        spread = self._spread(pod, nodes, _SOFT)
        scored = feasible & ~spread.lacking if self._needs_all_keys(pod) else feasible
        if len(spread.constraints) == 1 and spread.constraints[0].topology_key != HOSTNAME:
            by_domain = self._by_domain(spread, 0, nodes, scored)
            # Nodes of one domain have one score: it is rounded once.
            raw = np.rint(by_domain).astype(np.int64)[spread.domains[0].ids]
        else:
            total = np.zeros(nodes.capacity, np.float64)
            for index, (one, domains) in enumerate(zip(spread.constraints, spread.domains, strict=True)):
                if one.topology_key == HOSTNAME:
                    counts = self._counts(one, nodes).counts
                    weighted = counts * math.log(int(scored.sum()) + 2) + (one.max_skew - 1)
                    total += np.where(domains.ids != ABSENT, weighted, 0.0)
                else:
                    total += self._by_domain(spread, index, nodes, scored)[domains.ids]
            raw = np.rint(total).astype(np.int64)
        raw[~scored] = -1
        return raw[rows]

    def _by_domain(self, spread: Spread, index: int, nodes: NodeColumns, scored: Mask) -> Floats:
        one, domains = spread.constraints[index], spread.domains[index]
        size = spread.number_of_domains(index, scored)
        totals = domains.totals(self._counts(one, nodes)).astype(np.float64)
        by_domain: Floats = totals * math.log(size + 2) + (one.max_skew - 1)
        by_domain[ABSENT] = 0.0
        return by_domain

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        """The fewest get 100; rows with a raw score below 0 lack a topology key and get 0."""
        has_keys = raw >= 0
        scored = raw[feasible & has_keys]
        if not len(scored):
            return np.zeros_like(raw)
        least, most = int(scored.min()), int(scored.max())
        if most == 0:
            return np.where(has_keys, MAX_SCORE, 0)
        points = raw * -MAX_SCORE
        points += MAX_SCORE * (most + least)
        points //= most
        points *= has_keys
        return points

    def _needs_all_keys(self, pod: PodInfo) -> bool:
        """The system's defaults spread over hosts even where nodes have no zone."""
        return bool(pod.spec.topology_spread_constraints) or not self._system_defaults

    def _spread(self, pod: PodInfo, nodes: NodeColumns, when: str) -> Spread:
        constraints = self._constraints(pod, when)
        version = (nodes.structure, nodes.tainted, id(constraints))
        known = self._spreads.get((pod.template, when))
        if known is None or known[0] != version:
            if len(self._spreads) >= _MOST_TEMPLATES:
                self._spreads.clear()
            known = self._spreads[pod.template, when] = version, self._spread_now(pod, nodes, constraints)
        return known[1]

    def _spread_now(self, pod: PodInfo, nodes: NodeColumns, constraints: Sequence[Constraint]) -> Spread:
        lacking = ~self._has_keys(nodes, constraints)
        countable = nodes.present & ~lacking if self._needs_all_keys(pod) else nodes.present
        counted = [countable & self._honoured(one, pod, nodes) for one in constraints]
        domains = [
            Domains(nodes.label_ids(one.topology_key), mask) for one, mask in zip(constraints, counted, strict=True)
        ]
        return Spread(constraints, lacking, domains)

    def _constraints(self, pod: PodInfo, when: str) -> Sequence[Constraint]:
        """The pod's own; else the defaults, with the selector of its Services and workload. The same object each time
        until those change."""
        known = self._parsed.get((pod.template, when))
        if known is None or known[0] != self._workloads.version:
            if len(self._parsed) >= _MOST_TEMPLATES:
                self._parsed.clear()
            known = self._parsed[pod.template, when] = self._workloads.version, tuple(self._parse(pod, when))
        return known[1]

    def _parse(self, pod: PodInfo, when: str) -> Sequence[Constraint]:
        own = pod.spec.topology_spread_constraints
        if own:
            return [_constraint(one, pod, _selector(pod, one)) for one in own if one.when_unsatisfiable == when]
        selector = self._workloads.selector_of(pod.pod) if self._defaults else None
        if selector is None:
            return ()
        return [_constraint(one, pod, selector) for one in self._defaults if one.when_unsatisfiable == when]

    def _counts(self, one: Constraint, nodes: NodeColumns) -> Tally:
        return self._state.counts.of(one.identity, one.weigh, nodes.capacity)

    def _has_keys(self, nodes: NodeColumns, constraints: Sequence[Constraint]) -> Mask:
        keys: Mask = np.ones(nodes.capacity, np.bool_)
        for one in constraints:
            keys &= nodes.label_ids(one.topology_key) != ABSENT
        return keys

    def _honoured(self, one: Constraint, pod: PodInfo, nodes: NodeColumns) -> Mask:
        """The nodes whose pods and domains count."""
        honoured: Mask = required_nodes(pod, nodes) if one.honours_affinity else np.ones(nodes.capacity, np.bool_)
        if one.honours_taints:
            for refusal in self._taints.filter(pod, nodes, slice(None)):
                honoured = honoured & ~refusal.mask
        return honoured


def _constraint(one: core_v1.TopologySpreadConstraint, pod: PodInfo, selector: LabelSelector | None) -> Constraint:
    return Constraint(
        topology_key=one.topology_key,
        max_skew=one.max_skew,
        min_domains=one.min_domains or 1,
        selector=selector,
        namespace=pod.namespace,
        honours_affinity=(one.node_affinity_policy or "Honor") == "Honor",
        honours_taints=(one.node_taints_policy or "Ignore") == "Honor",
    )


def _selector(pod: PodInfo, constraint: core_v1.TopologySpreadConstraint) -> LabelSelector | None:
    if constraint.label_selector is None:
        return None
    own = [
        meta_v1.LabelSelectorRequirement(key=key, operator="In", values=[pod.labels[key]])
        for key in constraint.match_label_keys
        if key in pod.labels
    ]
    given = constraint.label_selector
    return LabelSelector.from_model(
        meta_v1.LabelSelector(match_labels=given.match_labels, match_expressions=[*given.match_expressions, *own])
    )
