from __future__ import annotations

from collections.abc import Sequence

from pybernetes.api.models import core_v1, meta_v1
from scheduler.reference.world import Cluster, Scores, Verdict, picks

Terms = Sequence[core_v1.PodAffinityTerm]


class InterPodAffinity:
    def __init__(self, *, hard_weight: int = 1, ignore_preferred: bool = False) -> None:
        self.hard_weight, self.ignore_preferred = hard_weight, ignore_preferred

    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        if not self._has_company(pod, node, cluster):
            return Verdict(("node(s) didn't match pod affinity rules",), hopeless=True)
        for term in required(_away(pod)):
            if any(
                together(term, node, other, cluster) and wants(pod, term, other, cluster) for other in cluster.placed
            ):
                return Verdict(("node(s) didn't match pod anti-affinity rules",))
        for other in cluster.placed:
            for term in required(_away(other)):
                if together(term, node, other, cluster) and wants(other, term, pod, cluster):
                    return Verdict(("node(s) didn't satisfy existing pods anti-affinity rules",))
        return None

    def _has_company(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> bool:
        terms = required(_towards(pod))
        if not all(term.topology_key in node.metadata.labels for term in terms):
            return False
        liked = [one for one in cluster.placed if all(wants(pod, term, one, cluster) for term in terms)]
        if all(any(together(term, node, one, cluster) for one in liked) for term in terms):
            return True
        nobody = not any(
            term.topology_key in home.metadata.labels
            for one in liked
            for term in terms
            for home in _homes(one, cluster)
        )
        return nobody and all(wants(pod, term, pod, cluster) for term in terms)

    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        own = [*preferred(_towards(pod), 1), *preferred(_away(pod), -1)]
        if self.ignore_preferred and not own:
            return 0
        total = 0
        for other in cluster.placed:
            theirs = [*preferred(_towards(other), 1), *preferred(_away(other), -1)]
            theirs += [(self.hard_weight, term) for term in required(_towards(other))]
            for weight, term in own:
                if together(term, node, other, cluster) and wants(pod, term, other, cluster):
                    total += weight
            for weight, term in theirs:
                if together(term, node, other, cluster) and wants(other, term, pod, cluster):
                    total += weight
        return total

    def normalise(self, scores: Scores) -> Scores:
        least, most = min(scores.values()), max(scores.values())
        if least == most:
            return dict.fromkeys(scores, 0)
        return {name: int(100.0 * (float(score - least) / float(most - least))) for name, score in scores.items()}


def wants(holder: core_v1.Pod, term: core_v1.PodAffinityTerm, other: core_v1.Pod, cluster: Cluster) -> bool:
    """Whether a term of one pod's affinity is about the other pod."""
    namespace = other.metadata.namespace
    if term.namespaces or term.namespace_selector is not None:
        listed = namespace in term.namespaces
        selected = picks(term.namespace_selector, cluster.namespaces.get(namespace, {}))
        if not (listed or selected):
            return False
    elif namespace != holder.metadata.namespace:
        return False
    return picks(_with_keys(term, holder), other.metadata.labels)


def _with_keys(term: core_v1.PodAffinityTerm, holder: core_v1.Pod) -> meta_v1.LabelSelector | None:
    """The API server has added the holder's values of these labels to the selector when the pod was made."""
    if term.label_selector is None:
        return None
    labels = holder.metadata.labels
    further = [
        meta_v1.LabelSelectorRequirement(key=key, operator=operator, values=[labels[key]])
        for keys, operator in ((term.match_label_keys, "In"), (term.mismatch_label_keys, "NotIn"))
        for key in keys
        if key in labels
    ]
    given = term.label_selector
    return meta_v1.LabelSelector(
        match_labels=given.match_labels, match_expressions=[*given.match_expressions, *further]
    )


def together(term: core_v1.PodAffinityTerm, node: core_v1.Node, other: core_v1.Pod, cluster: Cluster) -> bool:
    """Whether a placed pod's node is in the same domain of a term as ``node``."""
    key = term.topology_key
    if key not in node.metadata.labels:
        return False
    return any(home.metadata.labels.get(key) == node.metadata.labels[key] for home in _homes(other, cluster))


def _homes(placed: core_v1.Pod, cluster: Cluster) -> list[core_v1.Node]:
    return [one for one in cluster.nodes if one.metadata.name == placed.spec.node_name]


def required(affinity: core_v1.PodAffinity | core_v1.PodAntiAffinity | None) -> Terms:
    return affinity.required_during_scheduling_ignored_during_execution if affinity else ()


def preferred(
    affinity: core_v1.PodAffinity | core_v1.PodAntiAffinity | None, sign: int
) -> list[tuple[int, core_v1.PodAffinityTerm]]:
    terms = affinity.preferred_during_scheduling_ignored_during_execution if affinity else ()
    return [(sign * one.weight, one.pod_affinity_term) for one in terms]


def _towards(pod: core_v1.Pod) -> core_v1.PodAffinity | None:
    return pod.spec.affinity.pod_affinity if pod.spec.affinity else None


def _away(pod: core_v1.Pod) -> core_v1.PodAntiAffinity | None:
    return pod.spec.affinity.pod_anti_affinity if pod.spec.affinity else None
