"""Sentences about the company that pods want or avoid: spreading and inter-pod affinity."""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.models import core_v1
from pybernetes.api.selectors import LabelSelector
from pybernetes.scheduler.affinity import AffinityTerm
from pybernetes.scheduler.plugins.inter_pod_affinity import REASON_AFFINITY, REASON_ANTI_AFFINITY
from pybernetes.scheduler.pod_info import PodInfo


def spreading(pod: PodInfo, node: core_v1.Node, *, missing_label: bool) -> Iterator[str]:
    labels = node.metadata.labels
    hard = [one for one in pod.spec.topology_spread_constraints if one.when_unsatisfiable == "DoNotSchedule"]
    if missing_label:
        for key in dict.fromkeys(one.topology_key for one in hard):
            if key not in labels:
                yield f"label {key}, which the pod is spread over, is missing"
        return
    if len(hard) == 1:
        (one,) = hard
        where = f"{one.topology_key}={labels.get(one.topology_key)}"
        yield f"has too many pods with {_selected(one)} in {where} already (maxSkew {one.max_skew})"
        return
    keys = ", ".join(one.topology_key for one in hard)
    yield f"has too many like pods in one of its domains already (spread over {keys})"


def _selected(constraint: core_v1.TopologySpreadConstraint) -> str:
    if constraint.label_selector is None:
        return "any label"
    return str(LabelSelector.from_model(constraint.label_selector)) or "any label"


def affinity(pod: PodInfo, node: core_v1.Node, reason: str) -> Iterator[str]:
    if reason == REASON_AFFINITY:
        yield f"has no pod with {_terms(pod.inter_pod.required, node)}, which the pod must be near"
    elif reason == REASON_ANTI_AFFINITY:
        yield f"has a pod with {_terms(pod.inter_pod.required_anti, node)}, which the pod must not be near"
    else:
        yield "has a pod near that refuses this one (anti-affinity of a pod already placed)"


def _terms(terms: tuple[AffinityTerm, ...], node: core_v1.Node) -> str:
    return " or ".join(f"{term.selector or 'any label'} in {_domain(term.topology_key, node)}" for term in terms)


def _domain(key: str, node: core_v1.Node) -> str:
    return f"{key}={node.metadata.labels[key]}" if key in node.metadata.labels else f"{key} (a label it has not)"
