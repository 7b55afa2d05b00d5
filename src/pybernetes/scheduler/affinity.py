"""Node affinity and inter-pod affinity terms, parsed once per pod.

Follows https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class AffinityTerm:
    """Pods of ``namespaces`` (or of namespaces that ``namespace_selector`` picks) whose labels match."""

    topology_key: str
    selector: LabelSelector | None
    namespaces: frozenset[str]
    namespace_selector: LabelSelector | None
    identity: str
    """Equal for terms that pick the same pods by the same key."""

    def picks(self, namespace: str, labels: Mapping[str, str], namespace_labels: Mapping[str, str]) -> bool:
        """A term without a selector picks no pod."""
        if self.selector is None or not self.selector.matches(labels):
            return False
        if namespace in self.namespaces:
            return True
        return self.namespace_selector is not None and self.namespace_selector.matches(namespace_labels)


@dataclass(frozen=True, slots=True)
class WeightedTerm:
    weight: int
    term: AffinityTerm


@dataclass(frozen=True, slots=True)
class InterPodTerms:
    """``preferred`` has negative weights for anti-affinity."""

    required: tuple[AffinityTerm, ...] = ()
    required_anti: tuple[AffinityTerm, ...] = ()
    preferred: tuple[WeightedTerm, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.required or self.required_anti or self.preferred)


_NO_TERMS = InterPodTerms()


def parse_inter_pod_terms(pod: core_v1.Pod) -> InterPodTerms:
    affinity = pod.spec.affinity
    if affinity is None or (affinity.pod_affinity is None and affinity.pod_anti_affinity is None):
        return _NO_TERMS
    required, required_anti, preferred = [], [], []
    if (towards := affinity.pod_affinity) is not None:
        required = [_term(pod, term) for term in towards.required_during_scheduling_ignored_during_execution]
        preferred = _weighted(pod, towards.preferred_during_scheduling_ignored_during_execution, 1)
    if (away := affinity.pod_anti_affinity) is not None:
        required_anti = [_term(pod, term) for term in away.required_during_scheduling_ignored_during_execution]
        preferred += _weighted(pod, away.preferred_during_scheduling_ignored_during_execution, -1)
    return InterPodTerms(tuple(required), tuple(required_anti), tuple(preferred))


def _weighted(pod: core_v1.Pod, terms: Sequence[core_v1.WeightedPodAffinityTerm], sign: int) -> list[WeightedTerm]:
    return [WeightedTerm(sign * one.weight, _term(pod, one.pod_affinity_term)) for one in terms]


def _term(pod: core_v1.Pod, term: core_v1.PodAffinityTerm) -> AffinityTerm:
    selector = _with_label_keys(pod, term.label_selector, term.match_label_keys, term.mismatch_label_keys)
    namespaces = frozenset(term.namespaces)
    if not namespaces and term.namespace_selector is None:
        namespaces = frozenset((pod.metadata.namespace,))
    picked = LabelSelector.from_model(term.namespace_selector) if term.namespace_selector is not None else None
    identity = f"{term.topology_key}|{selector}|{','.join(sorted(namespaces))}|{picked}"
    return AffinityTerm(term.topology_key, selector, namespaces, picked, identity)


def _with_label_keys(
    pod: core_v1.Pod, selector: meta_v1.LabelSelector | None, same: Sequence[str], other: Sequence[str]
) -> LabelSelector | None:
    """Adds the pod's own values of ``same`` as required and of ``other`` as excluded labels."""
    if selector is None:
        return None
    own = pod.metadata.labels
    extra = [
        meta_v1.LabelSelectorRequirement(key=key, operator=operator, values=[own[key]])
        for keys, operator in ((same, "In"), (other, "NotIn"))
        for key in keys
        if key in own
    ]
    return LabelSelector.from_model(
        meta_v1.LabelSelector(
            match_labels=selector.match_labels, match_expressions=[*selector.match_expressions, *extra]
        )
    )
