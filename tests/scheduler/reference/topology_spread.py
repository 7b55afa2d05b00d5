from __future__ import annotations

import math
from collections.abc import Sequence

from pybernetes.api.models import core_v1, meta_v1
from scheduler.reference.node_affinity import allows
from scheduler.reference.selector_spread import selects_by_services
from scheduler.reference.taint_toleration import repels
from scheduler.reference.world import Cluster, Scores, Verdict, picks

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
Constraints = Sequence[core_v1.TopologySpreadConstraint]


class PodTopologySpread:
    """``defaults`` None: the system's own."""

    def __init__(self, defaults: Constraints | None = None) -> None:
        self.by_system = defaults is None
        self.defaults = system_defaults() if defaults is None else defaults

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        constraints = self.constraints(pod, cluster, "DoNotSchedule")
        for one in constraints:
            if one.topology_key not in node.metadata.labels:
                words = "node(s) didn't match pod topology spread constraints (missing required label)"
                return Verdict((words,), hopeless=True)
            by_domain: dict[str, int] = {}
            for other in cluster.nodes:
                if has_keys(other, constraints) and counts_for(one, pod, other):
                    domain = other.metadata.labels[one.topology_key]
                    by_domain[domain] = by_domain.get(domain, 0) + matching_on(other, one, pod, cluster)
            fewest = min(by_domain.values(), default=0)
            if len(by_domain) < (one.min_domains or 1):
                fewest = 0
            here = by_domain.get(node.metadata.labels[one.topology_key], 0)
            itself = int(picks(selector_of(one, pod), pod.metadata.labels))
            if here + itself - fewest > one.max_skew:
                return Verdict(("node(s) didn't match pod topology spread constraints",))
        return None

    def score_all(self, pod: core_v1.Pod, feasible: Sequence[core_v1.Node], cluster: Cluster) -> dict[str, int | None]:
        """None for nodes that lack a topology key: they get 0 in the end."""
        constraints = self.constraints(pod, cluster, "ScheduleAnyway")
        needs_all = bool(pod.spec.topology_spread_constraints) or not self.by_system
        scored = [one for one in feasible if not needs_all or has_keys(one, constraints)]
        raw: dict[str, int | None] = {one.metadata.name: None for one in feasible}
        for node in scored:
            total = 0.0
            for one in constraints:
                value = node.metadata.labels.get(one.topology_key)
                if value is None:
                    continue
                if one.topology_key == HOST:
                    size, count = len(scored), matching_on(node, one, pod, cluster)
                else:
                    size = len({other.metadata.labels.get(one.topology_key) for other in scored})
                    count = sum(
                        matching_on(other, one, pod, cluster)
                        for other in cluster.nodes
                        if other.metadata.labels.get(one.topology_key) == value
                        and counts_for(one, pod, other)
                        and (not needs_all or has_keys(other, constraints))
                    )
                total += float(count) * math.log(float(size + 2)) + float(one.max_skew - 1)
            raw[node.metadata.name] = math.floor(total + 0.5)
        return raw

    def normalise_all(self, raw: dict[str, int | None]) -> Scores:
        scores = [one for one in raw.values() if one is not None]
        least, most = min(scores, default=0), max(scores, default=0)
        return {
            name: 0 if one is None else 100 if most == 0 else 100 * (most + least - one) // most
            for name, one in raw.items()
        }

    def constraints(self, pod: core_v1.Pod, cluster: Cluster, when: str) -> Constraints:
        own = pod.spec.topology_spread_constraints
        if not own:
            selector = selects_by_services(pod, cluster)
            if selector is None:
                return ()
            own = [
                core_v1.TopologySpreadConstraint(
                    max_skew=one.max_skew,
                    topology_key=one.topology_key,
                    when_unsatisfiable=one.when_unsatisfiable,
                    label_selector=selector,
                )
                for one in self.defaults
            ]
        return [one for one in own if one.when_unsatisfiable == when]


def system_defaults() -> Constraints:
    def anyway(key: str, skew: int) -> core_v1.TopologySpreadConstraint:
        return core_v1.TopologySpreadConstraint(topology_key=key, max_skew=skew, when_unsatisfiable="ScheduleAnyway")

    return anyway(HOST, 3), anyway(ZONE, 5)


def has_keys(node: core_v1.Node, constraints: Constraints) -> bool:
    return all(one.topology_key in node.metadata.labels for one in constraints)


def counts_for(one: core_v1.TopologySpreadConstraint, pod: core_v1.Pod, node: core_v1.Node) -> bool:
    """Whether a node's pods and domain count, by the constraint's policies."""
    if (one.node_affinity_policy or "Honor") == "Honor" and not allows(pod, node):
        return False
    return not ((one.node_taints_policy or "Ignore") == "Honor" and repels(node, pod))


def matching_on(node: core_v1.Node, one: core_v1.TopologySpreadConstraint, pod: core_v1.Pod, cluster: Cluster) -> int:
    selector = selector_of(one, pod)
    if selector is None or not (selector.match_labels or selector.match_expressions):
        return 0
    return sum(
        other.metadata.namespace == pod.metadata.namespace
        and other.metadata.deletion_timestamp is None
        and picks(selector, other.metadata.labels)
        for other in cluster.pods_on(node)
    )


def selector_of(one: core_v1.TopologySpreadConstraint, pod: core_v1.Pod) -> meta_v1.LabelSelector | None:
    if one.label_selector is None:
        return None
    own = [
        meta_v1.LabelSelectorRequirement(key=key, operator="In", values=[pod.metadata.labels[key]])
        for key in one.match_label_keys
        if key in pod.metadata.labels
    ]
    given = one.label_selector
    return meta_v1.LabelSelector(match_labels=given.match_labels, match_expressions=[*given.match_expressions, *own])
