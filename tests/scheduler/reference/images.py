from __future__ import annotations

from pybernetes.api.models import core_v1
from scheduler.reference.world import Cluster, Scores, as_they_are

MEGABYTE = 1024 * 1024


class ImageLocality:
    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        containers = [*pod.spec.init_containers, *pod.spec.containers]
        names = [one.image or "" for one in containers]
        names += [one.image.reference for one in pod.spec.volumes if one.image is not None]
        total = sum(_worth(with_tag(name), node, cluster) for name in names)
        least, most = 23 * MEGABYTE, 1000 * MEGABYTE * len(containers)
        return 100 * (min(max(total, least), most) - least) // (most - least)

    def normalise(self, scores: Scores) -> Scores:
        return as_they_are(scores)


def _worth(name: str, node: core_v1.Node, cluster: Cluster) -> int:
    """An image's size, the less the fewer nodes have it; images are of one size on all nodes here."""
    size = next((image.size_bytes for image in node.status.images if name in image.names), None)
    if size is None:
        return 0
    nodes = sum(any(name in image.names for image in one.status.images) for one in cluster.nodes)
    return int(float(size) * (nodes / len(cluster.nodes)))


def with_tag(name: str) -> str:
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
