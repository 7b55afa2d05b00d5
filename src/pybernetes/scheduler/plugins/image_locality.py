"""ImageLocality: nodes that have a pod's images already are better, the more so the larger the images.

An image that only few nodes have counts for little, so that its pods do not all go there. Classic name:
ImageLocalityPriority. Follows pkg/scheduler/framework/plugins/imagelocality.
"""

from __future__ import annotations

import numpy as np

from pybernetes.scheduler.arrays import Ints, Mask, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.framework import MAX_SCORE, ClusterEvent, Scope
from pybernetes.scheduler.pod_info import PodInfo

_MEGABYTE = 1024 * 1024
_LEAST = 23 * _MEGABYTE
_MOST_PER_CONTAINER = 1000 * _MEGABYTE


class ImageLocality:
    name = "ImageLocality"
    scope = Scope.CLUSTER
    wakes_on: frozenset[ClusterEvent] = frozenset()

    def prefers(self, pod: PodInfo, nodes: NodeColumns) -> bool:
        return bool(nodes.images) and any(name in nodes.images for name in _images(pod))

    def score(self, pod: PodInfo, nodes: NodeColumns, rows: Rows, feasible: Mask) -> Ints:
        total: Ints = np.zeros(nodes.capacity, np.int64)
        for name in _images(pod):
            image = nodes.images.get(name)
            if image is not None:
                total[list(image.rows)] += int(image.size * (len(image.rows) / len(nodes)))
        most = _MOST_PER_CONTAINER * (len(pod.spec.containers) + len(pod.spec.init_containers))
        score: Ints = MAX_SCORE * (np.clip(total, _LEAST, most) - _LEAST) // (most - _LEAST)
        return score[rows]

    def normalise(self, pod: PodInfo, nodes: NodeColumns, raw: Ints, feasible: Mask) -> Ints:
        return raw


def _images(pod: PodInfo) -> list[str]:
    spec = pod.spec
    names = [container.image or "" for container in (*spec.init_containers, *spec.containers)]
    names += [volume.image.reference for volume in spec.volumes if volume.image is not None]
    return [_with_tag(name) for name in names]


def _with_tag(name: str) -> str:
    return name if name.rfind(":") > name.rfind("/") else f"{name}:latest"
