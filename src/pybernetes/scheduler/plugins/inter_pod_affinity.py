"""InterPodAffinity: pods that want, or refuse, each other's company within a topology domain.

Required terms of the incoming pod, required anti-affinity of pods already placed (symmetry), and preferred terms of
both sides. Follows https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from pybernetes.scheduler.affinity import AffinityTerm
from pybernetes.scheduler.arrays import ABSENT, Ints, Mask, Rows
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.configuration.arguments import InterPodAffinityArgs
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Code, Refusal, Scope
from pybernetes.scheduler.hints import Change
from pybernetes.scheduler.pod_info import PodInfo
from pybernetes.scheduler.tally import Tally
from pybernetes.scheduler.term_registry import PlacedTerms

REASON_AFFINITY = "node(s) didn't match pod affinity rules"
REASON_ANTI_AFFINITY = "node(s) didn't match pod anti-affinity rules"
REASON_EXISTING_ANTI_AFFINITY = "node(s) didn't satisfy existing pods anti-affinity rules"


class InterPodAffinity:
    name = "InterPodAffinity"
    scope = Scope.CLUSTER
    wakes_on = frozenset(
        (
            ClusterEvent.NODE_ADDED,
            ClusterEvent.NODE_REMOVED,
            ClusterEvent.NODE_LABELS_CHANGED,
            ClusterEvent.POD_ASSIGNED,
            ClusterEvent.POD_REMOVED,
            ClusterEvent.POD_LABELS_CHANGED,
            ClusterEvent.NAMESPACE_CHANGED,
        )
    )

    def __init__(self, state: ClusterState, arguments: InterPodAffinityArgs) -> None:
        self._state = state
        self._hard_weight = arguments.hard_pod_affinity_weight
        self._ignores_preferred = arguments.ignore_preferred_terms_of_existing_pods

    def could_help(self, pod: PodInfo, change: Change) -> bool:
        """Company came, or someone who would not have it went; or a node changed domains that are asked about."""
        match change.event:
            case ClusterEvent.POD_ASSIGNED:
                return self._is_company(pod, change.new)
            case ClusterEvent.POD_REMOVED:
                return self._keep_apart(pod, change.old)
            case ClusterEvent.POD_LABELS_CHANGED:
                comes = self._is_company(pod, change.new) and not self._is_company(pod, change.old)
                return comes or (self._keep_apart(pod, change.old) and not self._keep_apart(pod, change.new))
            case ClusterEvent.NODE_ADDED:
                terms = pod.inter_pod.required
                return not terms or any(term.topology_key in change.new.metadata.labels for term in terms)
        # A node that goes or has other labels: whoever is refused by pods elsewhere may be helped.
        return True

    def _is_company(self, pod: PodInfo, other: PodInfo) -> bool:
        terms = pod.inter_pod.required
        labels = self._labels(other)
        return bool(terms) and all(term.picks(other.namespace, other.labels, labels) for term in terms)

    def _keep_apart(self, pod: PodInfo, other: PodInfo) -> bool:
        """Whether one of the two refuses the other."""
        return any(
            term.picks(whom.namespace, whom.labels, self._labels(whom))
            for holder, whom in ((pod, other), (other, pod))
            for term in holder.inter_pod.required_anti
        )

    def concerns(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(pod.inter_pod.required or pod.inter_pod.required_anti or self._placed.required_anti)

    def minds_pods(self, pod: PodInfo) -> bool:
        """Only where one of the two refuses, or needs, the company of the other."""
        return bool(
            pod.inter_pod.required
            or pod.inter_pod.required_anti
            or self._placed.required_anti.picking(pod, self._labels(pod), self._state.nodes.capacity)
        )

    def filter(self, pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Sequence[Refusal]:
        """A node counts for the first rule that refuses it."""
        refused: Mask | None = None
        refusals = []
        for mask, reason, code in self._refusals(pod, nodes):
            # The first mask is nobody's to change: domains keep it.
            fresh = mask if refused is None else mask & ~refused
            refusals.append(Refusal(fresh[rows], reason, code))
            refused = mask if refused is None else refused | mask
        return refusals

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        if pod.inter_pod.preferred:
            return True
        if self._ignores_preferred:
            return False
        return bool(self._placed.preferred or (self._hard_weight and self._placed.required))

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        total = np.zeros(nodes.capacity, np.int64)
        for weighted in pod.inter_pod.preferred:
            total += weighted.weight * nodes.domains(weighted.term.topology_key).sums(
                self._picked(weighted.term, nodes)
            )
        labels = self._labels(pod)
        for term, weights in self._placed.preferred.picking(pod, labels, nodes.capacity):
            total += nodes.domains(term.topology_key).sums(weights)
        if self._hard_weight:
            for term, holders in self._placed.required.picking(pod, labels, nodes.capacity):
                total += self._hard_weight * nodes.domains(term.topology_key).sums(holders)
        return total[rows]

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        scores = raw[feasible]
        if not len(scores) or scores.min() == scores.max():
            return np.zeros_like(raw)
        least, most = int(scores.min()), int(scores.max())
        # In floating point as upstream does it: what it cuts off is its own.
        return np.asarray((MAX_SCORE * ((raw - least) / (most - least))).astype(np.int64))

    def _refusals(self, pod: PodInfo, nodes: NodeColumns) -> Iterator[tuple[Mask, str, Code]]:
        if pod.inter_pod.required:
            yield ~self._satisfied(pod, nodes), REASON_AFFINITY, Code.UNRESOLVABLE
        for term in pod.inter_pod.required_anti:
            near = nodes.domains(term.topology_key).any(self._picked(term, nodes))
            yield near, REASON_ANTI_AFFINITY, Code.UNSCHEDULABLE
        for term, holders in self._placed.required_anti.picking(pod, self._labels(pod), nodes.capacity):
            refused = nodes.domains(term.topology_key).any(holders)
            yield refused, REASON_EXISTING_ANTI_AFFINITY, Code.UNSCHEDULABLE

    def _satisfied(self, pod: PodInfo, nodes: NodeColumns) -> Mask:
        """Company for every term; the first of a group that only wants its own kind may start anywhere."""
        terms = pod.inter_pod.required
        counts = self._counts_of_all(terms, nodes)
        domains = [nodes.domains(term.topology_key) for term in terms]
        company = [each.any(counts) for each in domains]
        satisfied: Mask = company[0] if len(company) == 1 else np.logical_and.reduce(company)
        if satisfied.any() or any(mask.any() for mask in company):
            return satisfied
        labels = self._labels(pod)
        if not all(term.picks(pod.namespace, pod.labels, labels) for term in terms):
            return satisfied
        has_keys: Mask = np.logical_and.reduce([each.ids != ABSENT for each in domains])
        return has_keys

    def _counts_of_all(self, terms: Sequence[AffinityTerm], nodes: NodeColumns) -> Tally:
        """Pods that every term picks, as upstream counts for required affinity."""

        def weigh(placed: PodInfo) -> int:
            return int(all(term.picks(placed.namespace, placed.labels, self._labels(placed)) for term in terms))

        identity = "all|" + "&".join(sorted(term.identity for term in terms))
        return self._state.counts.of(identity, weigh, nodes.capacity)

    def _picked(self, term: AffinityTerm, nodes: NodeColumns) -> Tally:
        """For each row the pods there that the term picks."""

        def weigh(placed: PodInfo) -> int:
            return int(term.picks(placed.namespace, placed.labels, self._labels(placed)))

        return self._state.counts.of(f"term|{term.identity}", weigh, nodes.capacity)

    def _labels(self, pod: PodInfo) -> dict[str, str]:
        return dict(self._state.namespaces.get(pod.namespace, {}))

    @property
    def _placed(self) -> PlacedTerms:
        return self._state.placed_terms
