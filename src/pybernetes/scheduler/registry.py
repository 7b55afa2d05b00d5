"""The plugins that a configuration can choose, a row each: how one is made, where it acts, what it takes.

The order of ``DEFAULT_PLUGINS`` is that in which refusals are credited; it and the weights are upstream's. A newcomer
adds a module in ``plugins/`` and a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pybernetes.api.clock import Clock, SystemClock
from pybernetes.api.features import GANG_SCHEDULING, NONE, STORAGE_CAPACITY_SCORING, Features
from pybernetes.scheduler.assumed_volumes import AssumedVolumes
from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.configuration import arguments as args
from pybernetes.scheduler.configuration.documents import Plugin as Chosen
from pybernetes.scheduler.configuration.documents import Plugins, PluginSet
from pybernetes.scheduler.configuration.merging import Point
from pybernetes.scheduler.framework import Plugin
from pybernetes.scheduler.plugins.classic_volume_limits import ClassicVolumeLimits, ebs_volume, gce_disk
from pybernetes.scheduler.plugins.dynamic_resources import DynamicResources
from pybernetes.scheduler.plugins.equal_priority import EqualPriority
from pybernetes.scheduler.plugins.gang_scheduling import GangScheduling
from pybernetes.scheduler.plugins.image_locality import ImageLocality
from pybernetes.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pybernetes.scheduler.plugins.node_affinity import NodeAffinity
from pybernetes.scheduler.plugins.node_declared_features import NodeDeclaredFeatures
from pybernetes.scheduler.plugins.node_name import NodeName
from pybernetes.scheduler.plugins.node_ports import NodePorts
from pybernetes.scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from pybernetes.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pybernetes.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pybernetes.scheduler.plugins.node_volume_limits import NodeVolumeLimits
from pybernetes.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pybernetes.scheduler.plugins.scheduling_gates import SchedulingGates
from pybernetes.scheduler.plugins.selector_spread import SelectorSpread
from pybernetes.scheduler.plugins.taint_toleration import TaintToleration
from pybernetes.scheduler.plugins.volume_binding import VolumeBinding
from pybernetes.scheduler.plugins.volume_restrictions import VolumeRestrictions
from pybernetes.scheduler.plugins.volume_zone import VolumeZone
from pybernetes.scheduler.pod_groups import PodGroups
from pybernetes.scheduler.waiting_pods import WaitingPods
from pybernetes.scheduler.workloads import Workloads


@dataclass(frozen=True, slots=True)
class Parts:
    """What plugins are made of beside their arguments."""

    state: ClusterState
    workloads: Workloads
    assumed_volumes: AssumedVolumes
    clock: Clock = field(default_factory=SystemClock)
    waiting: WaitingPods = field(default_factory=WaitingPods)
    groups: PodGroups = field(default_factory=lambda: PodGroups(lambda pod: False))
    features: Features = NONE


Make = Callable[[Parts, Any], Plugin]
FILTER = (Point.FILTER,)
PRE_FILTER = (Point.PRE_FILTER, *FILTER)
SCORE = (Point.SCORE,)
PRE_SCORE = (Point.PRE_SCORE, *SCORE)
BOTH = (*PRE_FILTER, *PRE_SCORE)


@dataclass(frozen=True, slots=True)
class Row:
    """``make`` is None for what the scheduler does itself and a configuration only turns on or off."""

    make: Make | None
    points: tuple[Point, ...]
    arguments: type[args.Arguments] = field(default=args.Arguments)
    added: bool = False
    """Not ours: it is in every profile that does not turn it off."""


def _volume_binding(parts: Parts, given: Any) -> Plugin:
    return VolumeBinding(parts.state, parts.assumed_volumes, given)


ROWS: Mapping[str, Row] = {
    "SchedulingGates": Row(lambda parts, given: SchedulingGates(), (Point.PRE_ENQUEUE,)),
    "PrioritySort": Row(None, (Point.QUEUE_SORT,)),
    "NodeUnschedulable": Row(lambda parts, given: NodeUnschedulable(), FILTER),
    "NodeName": Row(lambda parts, given: NodeName(), FILTER),
    "TaintToleration": Row(lambda parts, given: TaintToleration(), (*FILTER, *PRE_SCORE)),
    "NodeAffinity": Row(lambda parts, given: NodeAffinity(given), BOTH, args.NodeAffinityArgs),
    "NodePorts": Row(lambda parts, given: NodePorts(), PRE_FILTER),
    "NodeResourcesFit": Row(
        lambda parts, given: NodeResourcesFit(given, parts.state.devices.class_for), BOTH, args.NodeResourcesFitArgs
    ),
    "VolumeRestrictions": Row(lambda parts, given: VolumeRestrictions(parts.state), PRE_FILTER),
    "NodeVolumeLimits": Row(lambda parts, given: NodeVolumeLimits(parts.state), PRE_FILTER),
    "VolumeBinding": Row(
        _volume_binding,
        (*PRE_FILTER, Point.RESERVE, Point.PRE_BIND),
        args.VolumeBindingArgs,
    ),
    "VolumeZone": Row(lambda parts, given: VolumeZone(parts.state.storage), PRE_FILTER),
    "PodTopologySpread": Row(
        lambda parts, given: PodTopologySpread(parts.state, parts.workloads, given), BOTH, args.PodTopologySpreadArgs
    ),
    "InterPodAffinity": Row(lambda parts, given: InterPodAffinity(parts.state, given), BOTH, args.InterPodAffinityArgs),
    "DynamicResources": Row(
        lambda parts, given: DynamicResources(parts.state, parts.clock, given),
        (Point.PRE_ENQUEUE, *PRE_FILTER, Point.POST_FILTER, *SCORE, Point.RESERVE, Point.PRE_BIND),
        args.DynamicResourcesArgs,
    ),
    "DefaultPreemption": Row(None, (Point.POST_FILTER,), args.DefaultPreemptionArgs),
    "NodeResourcesBalancedAllocation": Row(
        lambda parts, given: NodeResourcesBalancedAllocation(given),
        PRE_SCORE,
        args.NodeResourcesBalancedAllocationArgs,
    ),
    "ImageLocality": Row(lambda parts, given: ImageLocality(), SCORE),
    "DefaultBinder": Row(None, (Point.BIND,)),
    "NodeDeclaredFeatures": Row(lambda parts, given: NodeDeclaredFeatures(), PRE_FILTER),
    "SelectorSpread": Row(
        lambda parts, given: SelectorSpread("SelectorSpread", parts.state, parts.workloads, services_only=False),
        PRE_SCORE,
    ),
    "ServiceSpreading": Row(
        lambda parts, given: SelectorSpread("ServiceSpreading", parts.state, parts.workloads, services_only=True),
        PRE_SCORE,
    ),
    "EqualPriority": Row(lambda parts, given: EqualPriority(), SCORE),
    "MaxEBSVolumeCount": Row(
        lambda parts, given: ClassicVolumeLimits(
            "MaxEBSVolumeCount", parts.state, ebs_volume, 39, "attachable-volumes-aws-ebs"
        ),
        FILTER,
    ),
    "MaxGCEPDVolumeCount": Row(
        lambda parts, given: ClassicVolumeLimits(
            "MaxGCEPDVolumeCount", parts.state, gce_disk, 16, "attachable-volumes-gce-pd"
        ),
        FILTER,
    ),
}

NOT_BUILT = frozenset(["TopologyPlacementGenerator", "PodGroupPodsCount"])
"""Upstream's plugins that a configuration may turn off but not on."""

FEATURED: Mapping[str, Mapping[str, Row]] = {
    GANG_SCHEDULING: {
        "GangScheduling": Row(
            lambda parts, given: GangScheduling(parts.groups, parts.waiting),
            (Point.PRE_ENQUEUE, Point.PERMIT),
            added=True,
        )
    },
    STORAGE_CAPACITY_SCORING: {
        "VolumeBinding": Row(
            _volume_binding, (*ROWS["VolumeBinding"].points, *PRE_SCORE), args.ScoringVolumeBindingArgs
        )
    },
}
"""The plugins that there are only, or that do more, with a feature that v1.36 leaves off."""

_WEIGHTS = {
    "TaintToleration": 3,
    "NodeAffinity": 2,
    "PodTopologySpread": 2,
    "InterPodAffinity": 2,
    "DynamicResources": 2,
}
_CLASSIC = frozenset(
    ["SelectorSpread", "ServiceSpreading", "EqualPriority", "MaxEBSVolumeCount", "MaxGCEPDVolumeCount"]
)

DEFAULT_PLUGINS = Plugins(
    multi_point=PluginSet(
        enabled=tuple(Chosen(name=name, weight=_WEIGHTS.get(name)) for name in ROWS if name not in _CLASSIC)
    )
)


def argument_types(rows: Mapping[str, Row] = ROWS) -> dict[str, type[args.Arguments]]:
    return {name: row.arguments for name, row in rows.items()}


def with_features(rows: Mapping[str, Row], features: Features) -> Mapping[str, Row]:
    """``rows`` and those that the features add."""
    return {**rows, **{name: row for feature in sorted(features) for name, row in FEATURED.get(feature, {}).items()}}
