from __future__ import annotations

from collections.abc import Mapping

from pybernetes.api.models import core_v1
from scheduler.reference.world import Cluster, Scores, Verdict, shares_of_highest

POD = "node(s) didn't match Pod's node affinity/selector"
ENFORCED = "node(s) didn't match scheduler-enforced node affinity"


class NodeAffinity:
    def __init__(self, added: core_v1.NodeAffinity | None = None) -> None:
        self.added = added

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        enforced = self.added.required_during_scheduling_ignored_during_execution if self.added else None
        if enforced is not None and not selects(enforced, node):
            return Verdict((ENFORCED,), hopeless=True)
        return None if allows(pod, node) else Verdict((POD,), hopeless=True)

    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        total = 0
        for affinity in (self.added, _affinity(pod)):
            for term in affinity.preferred_during_scheduling_ignored_during_execution if affinity else ():
                if meets(term.preference, node):
                    total += term.weight
        return total

    def normalise(self, scores: Scores) -> Scores:
        return shares_of_highest(scores)


def allows(pod: core_v1.Pod, node: core_v1.Node) -> bool:
    for key, value in pod.spec.node_selector.items():
        if node.metadata.labels.get(key) != value:
            return False
    affinity = _affinity(pod)
    required = affinity.required_during_scheduling_ignored_during_execution if affinity else None
    return required is None or selects(required, node)


def selects(selector: core_v1.NodeSelector, node: core_v1.Node) -> bool:
    return any(meets(term, node) for term in selector.node_selector_terms)


def meets(term: core_v1.NodeSelectorTerm, node: core_v1.Node) -> bool:
    if not term.match_expressions and not term.match_fields:
        return False
    labels, fields = node.metadata.labels, {"metadata.name": node.metadata.name}
    return all(_holds(one, labels) for one in term.match_expressions) and all(
        _holds(one, fields) for one in term.match_fields
    )


def _holds(requirement: core_v1.NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    number = _number(value)
    bound = int(requirement.values[0])
    if number is None:
        return False
    return number > bound if requirement.operator == "Gt" else number < bound


def _number(text: str | None) -> int | None:
    try:
        return int(text or "")
    except ValueError:
        return None


def _affinity(pod: core_v1.Pod) -> core_v1.NodeAffinity | None:
    return pod.spec.affinity.node_affinity if pod.spec.affinity else None
