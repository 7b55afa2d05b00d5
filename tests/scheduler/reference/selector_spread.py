from __future__ import annotations

from pybernetes.api.models import core_v1, meta_v1
from scheduler.reference.world import Cluster, Scores, picks

ZONE = "topology.kubernetes.io/zone"


class SelectorSpread:
    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        if pod.spec.topology_spread_constraints:
            return 0
        selector = selects_by_services(pod, cluster)
        return sum(
            other.metadata.namespace == pod.metadata.namespace
            and other.metadata.deletion_timestamp is None
            and picks(selector, other.metadata.labels)
            for other in cluster.pods_on(node)
        )

    def normalise_in(self, scores: Scores, cluster: Cluster) -> Scores:
        zones = {one.metadata.name: one.metadata.labels.get(ZONE) for one in cluster.nodes}
        by_zone: dict[str, int] = {}
        for name, count in scores.items():
            if (zone := zones[name]) is not None:
                by_zone[zone] = by_zone.get(zone, 0) + count
        normalised = {}
        for name, count in scores.items():
            score = _fewness(count, max(scores.values()))
            if (zone := zones[name]) is not None:
                score = score * (1 - 2 / 3) + 2 / 3 * _fewness(by_zone[zone], max(by_zone.values()))
            normalised[name] = int(score)
        return normalised


def _fewness(count: int, most: int) -> float:
    return 100.0 * (float(most - count) / float(most)) if most else 100.0


def selects_by_services(pod: core_v1.Pod, cluster: Cluster) -> meta_v1.LabelSelector | None:
    """The labels that all matching Services select by, at once."""
    wanted: dict[str, str] = {}
    for service in cluster.services:
        selector = service.spec.selector
        same_namespace = service.metadata.namespace == pod.metadata.namespace
        if same_namespace and selector and all(pod.metadata.labels.get(key) == one for key, one in selector.items()):
            wanted.update(selector)
    return meta_v1.LabelSelector(match_labels=wanted) if wanted else None
