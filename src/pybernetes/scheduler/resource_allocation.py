"""How full nodes would be with a pod on them: the sums that both plugins about resources score by.

Follows pkg/scheduler/framework/plugins/noderesources/resource_allocation.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pybernetes.api.resource_names import HUGEPAGES, is_extended
from pybernetes.scheduler.arrays import Ints, Rows
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.pod_info import PodInfo


class ResourceWeight(NamedTuple):
    name: str
    weight: int = 1


class Use(NamedTuple):
    """Of one resource, for each asked row. ``total`` is 0 where a node has none of it."""

    weight: int
    before: Ints
    wanted: int
    total: Ints

    @property
    def everywhere(self) -> bool:
        """Whether every row has some of it."""
        return int(np.count_nonzero(self.total)) == len(self.total)


CPU_AND_MEMORY = (ResourceWeight("cpu"), ResourceWeight("memory"))


def padded_uses(resources: Sequence[ResourceWeight], pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Iterator[Use]:
    """CPU and memory as scoring counts them: containers that ask for nothing count for a little."""
    for name, weight in resources:
        index = nodes.resource_index(name)
        if name == "cpu":
            yield Use(weight, nodes.scored_cpu[rows], pod.scored_cpu, nodes.allocatable[index, rows])
        elif name == "memory":
            yield Use(weight, nodes.scored_memory[rows], pod.scored_memory, nodes.allocatable[index, rows])
        elif (wanted := pod.requests.get(name, 0)) or not _is_scalar(name):
            yield Use(weight, nodes.requested[index, rows], wanted, nodes.allocatable[index, rows])


def exact_uses(resources: Sequence[ResourceWeight], pod: PodInfo, nodes: NodeColumns, rows: Rows) -> Iterator[Use]:
    """What was asked for and no more."""
    for name, weight in resources:
        wanted = pod.requests.get(name, 0)
        if wanted or not _is_scalar(name):
            index = nodes.resource_index(name)
            yield Use(weight, nodes.requested[index, rows], wanted, nodes.allocatable[index, rows])


def _is_scalar(name: str) -> bool:
    """Resources that count for nothing where a pod does not ask for them."""
    return is_extended(name) or name.startswith((HUGEPAGES, "attachable-volumes-"))
