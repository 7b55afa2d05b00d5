"""NodeAffinity: a pod's nodeSelector and node affinity (classic names: MatchNodeSelector, NodeAffinityPriority)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pybernetes.api.models import core_v1
from pybernetes.api.placement import integer, matches_node, matches_term
from pybernetes.scheduler.arrays import ABSENT, EVERY_ROW, Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import NodeAffinityArgs
from pybernetes.scheduler.framework import ClusterEvent, Code, Refusal, Rejection, Scope, scaled_to_highest
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo

REASON = "node(s) didn't match Pod's node affinity/selector"
REASON_ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
REASON_CONFLICT = "pod affinity terms conflict"


def required_nodes(pod: PodInfo, nodes: NodeColumns, rows: Rows = EVERY_ROW) -> Mask:
    """Where nodeSelector and required node affinity both hold."""
    matching: Mask = np.ones(len(nodes.present[rows]), np.bool_)
    for key, value in pod.spec.node_selector.items():
        matching &= _has_value(nodes, key, (value,), rows)
    affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    if required is not None:
        matching &= any_term(nodes, required.node_selector_terms, rows)
    return matching


def any_term(nodes: NodeColumns, terms: Sequence[core_v1.NodeSelectorTerm], rows: Rows) -> Mask:
    matching: Mask = np.zeros(len(nodes.present[rows]), np.bool_)
    for term in terms:
        matching |= _term(nodes, term, rows)
    return matching


def _term(nodes: NodeColumns, term: core_v1.NodeSelectorTerm, rows: Rows) -> Mask:
    """An empty term matches nothing."""
    if not term.match_expressions and not term.match_fields:
        return np.zeros(len(nodes.present[rows]), np.bool_)
    matching: Mask = np.ones(len(nodes.present[rows]), np.bool_)
    for requirement in term.match_expressions:
        matching &= _requirement(nodes, requirement, rows)
    for requirement in term.match_fields:
        named = nodes.mask_of(row for name in requirement.values if (row := nodes.row(name)) is not None)[rows]
        matching &= named if requirement.operator == "In" else ~named
    return matching


def _requirement(nodes: NodeColumns, requirement: core_v1.NodeSelectorRequirement, rows: Rows) -> Mask:
    match requirement.operator:
        case "In":
            return _has_value(nodes, requirement.key, requirement.values, rows)
        case "NotIn":
            return ~_has_value(nodes, requirement.key, requirement.values, rows)
        case "Exists":
            return np.asarray(nodes.label_ids(requirement.key)[rows] != ABSENT)
        case "DoesNotExist":
            return np.asarray(nodes.label_ids(requirement.key)[rows] == ABSENT)
        case "Gt":
            return _compares(nodes, requirement, rows, greater=True)
        case "Lt":
            return _compares(nodes, requirement, rows, greater=False)
    raise ValueError(f"node selector operator {requirement.operator!r} is not known")


def _has_value(nodes: NodeColumns, key: str, values: Sequence[str], rows: Rows) -> Mask:
    ids = [identity for value in values if (identity := nodes.value_id(key, value)) != ABSENT]
    column = nodes.label_ids(key)[rows]
    return column == ids[0] if len(ids) == 1 else np.isin(column, ids)


def _compares(nodes: NodeColumns, requirement: core_v1.NodeSelectorRequirement, rows: Rows, *, greater: bool) -> Mask:
    """Labels that are no integers match neither Gt nor Lt."""
    bound = integer(requirement.values[0]) if requirement.values else None
    if bound is None:
        return np.zeros(len(nodes.present[rows]), np.bool_)
    ids = [
        identity
        for value, identity in nodes.label_values.get(requirement.key, {}).items()
        if (number := integer(value)) is not None and (number > bound if greater else number < bound)
    ]
    return np.isin(nodes.label_ids(requirement.key)[rows], ids)


def _named_nodes(term: core_v1.NodeSelectorTerm) -> frozenset[str] | None:
    """The nodes that a term allows by name; None when it names none."""
    names: frozenset[str] | None = None
    for one in term.match_fields:
        if one.key == "metadata.name" and one.operator == "In":
            names = frozenset(one.values) if names is None else names & frozenset(one.values)
    return names


class NodeAffinity:
    name = "NodeAffinity"
    scope = Scope.NODE
    wakes_on = frozenset((ClusterEvent.NODE_ADDED, ClusterEvent.NODE_LABELS_CHANGED))

    def __init__(self, arguments: NodeAffinityArgs) -> None:
        added = arguments.added_affinity
        self._enforced = added.required_during_scheduling_ignored_during_execution if added is not None else None
        self._added = added.preferred_during_scheduling_ignored_during_execution if added is not None else []

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """A node matches now that did not before."""
        return self._matches(pod, change.new) and not (change.old is not None and self._matches(pod, change.old))

    def _matches(self, pod: PodInfo, node: core_v1.Node) -> bool:
        enforced = self._enforced.node_selector_terms if self._enforced is not None else None
        if enforced is not None and not any(matches_term(term, node) for term in enforced):
            return False
        return matches_node(pod.spec, node)

    def rejection(self, pod: PodInfo) -> Rejection | None:
        return Rejection(REASON_CONFLICT) if self._named(pod) == frozenset() else None

    def nodes_for(self, pod: PodInfo) -> frozenset[str] | None:
        return self._named(pod)

    def _named(self, pod: PodInfo) -> frozenset[str] | None:
        """The nodes that required terms allow by name; None where one of them, or no term at all, names none."""
        affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
        required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
        if required is None or not required.node_selector_terms:
            return None
        named: frozenset[str] = frozenset()
        for term in required.node_selector_terms:
            names = _named_nodes(term)
            if names is None:
                return None
            named |= names
        return named

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        if self._enforced is not None:
            return True
        affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
        required = affinity is not None and affinity.required_during_scheduling_ignored_during_execution is not None
        return bool(pod.spec.node_selector) or required

    def minds_pods(self, pod: PodInfo) -> bool:
        return False

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        refused = ~required_nodes(pod, nodes, rows)
        if self._enforced is None:
            return (Refusal(refused, REASON, Code.UNRESOLVABLE),)
        outside = ~any_term(nodes, self._enforced.node_selector_terms, rows)
        return (
            Refusal(outside, REASON_ENFORCED, Code.UNRESOLVABLE),
            Refusal(refused & ~outside, REASON, Code.UNRESOLVABLE),
        )

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(self._preferred(pod))

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        total = np.zeros(len(nodes.present[rows]), np.int64)
        for term in self._preferred(pod):
            total += term.weight * _term(nodes, term.preference, rows).astype(np.int64)
        return total

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return scaled_to_highest(raw, feasible, reverse=False)

    def _preferred(self, pod: PodInfo) -> Sequence[core_v1.PreferredSchedulingTerm]:
        affinity = pod.spec.affinity.node_affinity if pod.spec.affinity else None
        own = affinity.preferred_during_scheduling_ignored_during_execution if affinity else ()
        return [*self._added, *own] if self._added else own
