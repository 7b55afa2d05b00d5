"""The arguments of plugins, with upstream's names and defaults.

Follows staging/src/k8s.io/kube-scheduler/config/v1/types_pluginargs.go and pkg/scheduler/apis/config/v1/defaults.go.
"""

from __future__ import annotations

import sys

import msgspec

from pybernetes.api.durations import parse_duration
from pybernetes.api.models import core_v1
from pybernetes.scheduler.resource_allocation import ResourceWeight


class Arguments(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    api_version: str = ""
    kind: str = ""


class ResourceSpec(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    name: str = ""
    weight: int = 0

    @property
    def effective(self) -> ResourceWeight:
        return ResourceWeight(self.name, self.weight or 1)


_CPU_AND_MEMORY = (ResourceSpec(name="cpu", weight=1), ResourceSpec(name="memory", weight=1))


def _weights(resources: tuple[ResourceSpec, ...]) -> tuple[ResourceWeight, ...]:
    return tuple(one.effective for one in resources or _CPU_AND_MEMORY)


class UtilizationShapePoint(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    utilization: int = 0
    score: int = 0


class RequestedToCapacityRatio(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    shape: tuple[UtilizationShapePoint, ...] = ()


class ScoringStrategy(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    type: str = ""
    resources: tuple[ResourceSpec, ...] = ()
    requested_to_capacity_ratio: RequestedToCapacityRatio | None = None

    def weights(self) -> tuple[ResourceWeight, ...]:
        return _weights(self.resources)


class NodeResourcesFitArgs(Arguments, frozen=True):
    ignored_resources: tuple[str, ...] = ()
    ignored_resource_groups: tuple[str, ...] = ()
    scoring_strategy: ScoringStrategy | None = None

    @property
    def strategy(self) -> ScoringStrategy:
        return self.scoring_strategy or ScoringStrategy(type="LeastAllocated")


class NodeResourcesBalancedAllocationArgs(Arguments, frozen=True):
    resources: tuple[ResourceSpec, ...] = ()

    def weights(self) -> tuple[ResourceWeight, ...]:
        return _weights(self.resources)


class InterPodAffinityArgs(Arguments, frozen=True):
    hard_pod_affinity_weight: int = 1
    ignore_preferred_terms_of_existing_pods: bool = False


class PodTopologySpreadArgs(Arguments, frozen=True):
    default_constraints: tuple[core_v1.TopologySpreadConstraint, ...] = ()
    defaulting_type: str = "System"


class NodeAffinityArgs(Arguments, frozen=True):
    added_affinity: core_v1.NodeAffinity | None = None


class DefaultPreemptionArgs(Arguments, frozen=True):
    min_candidate_nodes_percentage: int = 10
    min_candidate_nodes_absolute: int = 100

    def candidates(self, nodes: int) -> int:
        """How many nodes with victims are enough to choose among."""
        return min(max(nodes * self.min_candidate_nodes_percentage // 100, self.min_candidate_nodes_absolute), nodes)


class VolumeBindingArgs(Arguments, frozen=True):
    bind_timeout_seconds: int = 600
    shape: tuple[UtilizationShapePoint, ...] | None = None


class ScoringVolumeBindingArgs(VolumeBindingArgs, frozen=True):
    """With the feature StorageCapacityScoring, which ``shape`` is for."""


_STEPS_PER_SECOND = 10_000
"""Of a search for devices, which is given steps and not time so that it gives the same answer everywhere."""


class DynamicResourcesArgs(Arguments, frozen=True):
    filter_timeout: str | None = None
    binding_timeout: str | None = None

    @property
    def most_steps(self) -> int:
        """0 is no limit."""
        seconds = 10.0 if self.filter_timeout is None else parse_duration(self.filter_timeout)
        return int(seconds * _STEPS_PER_SECOND) or sys.maxsize

    @property
    def binding_seconds(self) -> float:
        return 600.0 if self.binding_timeout is None else parse_duration(self.binding_timeout)
