"""What a whole pod has of its node, as its status says.

Guarantees  Pure. Until the pod runs it is what its containers ask for together; after that what its control group has,
            where a resource is limited only when every container limits it.
Follows     pkg/kubelet/kubelet_pods.go (convertToAPIPodLevelResourcesStatus, getEffectiveAllocatedResources).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.api.models.core_v1 import Container, Pod, ResourceRequirements
from pybernetes.api.quantity import Format, of_milli, of_value
from pybernetes.api.quota.amounts import read, total, written
from pybernetes.api.quota.pod_resources import pod_limits, pod_requests

from . import resources

_LEAST_REQUEST = 2
_LEAST_LIMIT = 10


@dataclass(frozen=True, slots=True)
class PodShare:
    requests: Mapping[str, str]
    waiting: ResourceRequirements
    running: ResourceRequirements

    def shown(self, phase: str) -> ResourceRequirements:
        return self.running if phase == "Running" else self.waiting


def share_of(pod: Pod) -> PodShare:
    """Of a pod whose spec says what is granted."""
    spec = _stated(pod)
    requests = written(total(pod_requests(spec), read(pod.spec.overhead)))
    limits = pod_limits(spec)
    overhead = {name: amount for name, amount in read(pod.spec.overhead).items() if limits.get(name)}
    waiting = ResourceRequirements(requests=requests, limits=written(total(limits, overhead)))
    return PodShare(requests, waiting, _of_group(pod, requests))


def _of_group(pod: Pod, requests: Mapping[str, str]) -> ResourceRequirements:
    """Amounts that are too small for the kernel to tell are those that the pod states, if any."""
    level, group = pod.spec.resources, resources.of_pod(pod)
    asked = dict(level.requests) if level is not None else {}
    limits = dict(level.limits) if level is not None else {}
    if group.cpu_milli > _LEAST_REQUEST:
        asked["cpu"] = str(of_milli(group.cpu_milli))
    if "memory" in requests:
        asked.setdefault("memory", requests["memory"])
    if group.cpu_quota is not None and (milli := group.cpu_quota * 1000 // resources.QUOTA_PERIOD) > _LEAST_LIMIT:
        limits["cpu"] = str(of_milli(milli))
    if group.memory_limit is not None:
        limits["memory"] = str(of_value(group.memory_limit, Format.BINARY))
    return ResourceRequirements(requests=asked, limits=limits)


def _stated(pod: Pod) -> dict[str, Any]:
    """As much of the spec as resources are counted from."""
    spec: dict[str, Any] = {
        "containers": [_container(one) for one in pod.spec.containers],
        "initContainers": [_container(one) for one in pod.spec.init_containers],
    }
    if pod.spec.resources is not None:
        spec["resources"] = {"requests": pod.spec.resources.requests, "limits": pod.spec.resources.limits}
    return spec


def _container(container: Container) -> dict[str, Any]:
    own = container.resources
    return {"restartPolicy": container.restart_policy, "resources": {"requests": own.requests, "limits": own.limits}}
