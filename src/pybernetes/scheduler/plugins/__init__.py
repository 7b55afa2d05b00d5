"""The scheduler's plugins: a module each, and a row here. The order of filters is upstream's."""

from __future__ import annotations

from pybernetes.scheduler.cluster import ClusterState
from pybernetes.scheduler.framework import Profile, Weighted
from pybernetes.scheduler.plugins.inter_pod_affinity import InterPodAffinity
from pybernetes.scheduler.plugins.node_affinity import NodeAffinity
from pybernetes.scheduler.plugins.node_name import NodeName
from pybernetes.scheduler.plugins.node_ports import NodePorts
from pybernetes.scheduler.plugins.node_resources_balanced_allocation import NodeResourcesBalancedAllocation
from pybernetes.scheduler.plugins.node_resources_fit import NodeResourcesFit
from pybernetes.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pybernetes.scheduler.plugins.pod_topology_spread import PodTopologySpread
from pybernetes.scheduler.plugins.taint_toleration import TaintToleration
from pybernetes.scheduler.plugins.volume_binding import VolumeBinding
from pybernetes.scheduler.workloads import Workloads

DEFAULT_SCHEDULER = "default-scheduler"


def default_profile(state: ClusterState, workloads: Workloads) -> Profile:
    """Upstream's default plugins and weights, as far as they are built."""
    taints, affinity, fit = TaintToleration(), NodeAffinity(), NodeResourcesFit()
    spread, inter_pod = PodTopologySpread(state, workloads), InterPodAffinity(state)
    volumes = VolumeBinding(state)
    return Profile(
        scheduler_name=DEFAULT_SCHEDULER,
        filters=(NodeUnschedulable(), NodeName(), taints, affinity, NodePorts(), fit, volumes, spread, inter_pod),
        scores=(
            Weighted(taints, 3),
            Weighted(affinity, 2),
            Weighted(fit, 1),
            Weighted(spread, 2),
            Weighted(inter_pod, 2),
            Weighted(NodeResourcesBalancedAllocation(), 1),
        ),
        admitting=(volumes,),
        reserves=(volumes,),
    )
