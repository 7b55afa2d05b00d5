"""What a pod asks of the node's processors and memory, in the units of the kernel.

Guarantees  Pure. The same numbers go into cgroups, into quality of service and into the fit check.
Follows     pkg/kubelet/cm/helpers_linux.go, pkg/kubelet/qos, staging/src/k8s.io/component-helpers/resource.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pybernetes.api import quantity
from pybernetes.api.models.core_v1 import Container, Pod

from .runtime import Resources

MIN_SHARES = 2
MAX_SHARES = 262_144
SHARES_PER_CPU = 1024
QUOTA_PERIOD = 100_000
MIN_QUOTA = 1_000


class Qos(enum.StrEnum):
    GUARANTEED = "Guaranteed"
    BURSTABLE = "Burstable"
    BEST_EFFORT = "BestEffort"


_OOM_GUARANTEED = -997
_OOM_BEST_EFFORT = 1000


def qos_of(pod: Pod) -> Qos:
    """Guaranteed when every container limits what it requests; BestEffort when none asks for anything."""
    containers = [*(pod.spec.containers or ()), *(pod.spec.init_containers or ())]
    pod_level = pod.spec.resources
    asked = [pod_level] if pod_level is not None else [container.resources for container in containers]
    requests = [_computing(resources.requests) for resources in asked]
    limits = [_computing(resources.limits) for resources in asked]
    if not any(requests) and not any(limits):
        return Qos.BEST_EFFORT
    for request, limit in zip(requests, limits, strict=True):
        if set(limit) != {"cpu", "memory"} or any(request.get(name, value) != value for name, value in limit.items()):
            return Qos.BURSTABLE
    return Qos.GUARANTEED


def _computing(values: Mapping[str, str] | None) -> dict[str, int]:
    amounts = {name: quantity.milli(amount) for name, amount in (values or {}).items() if name in ("cpu", "memory")}
    return {name: amount for name, amount in amounts.items() if amount > 0}


def cpu_shares(milli: int) -> int:
    return max(MIN_SHARES, min(MAX_SHARES, milli * SHARES_PER_CPU // 1000)) if milli else MIN_SHARES


def cpu_quota(milli: int) -> int:
    return max(MIN_QUOTA, milli * QUOTA_PERIOD // 1000) if milli else 0


def request(container: Container, resource: str) -> int:
    """Thousandths for cpu, whole units otherwise; a limit without a request is the request."""
    values = container.resources.requests or {}
    amount = values.get(resource, (container.resources.limits or {}).get(resource))
    return _amount(resource, amount)


def limit(container: Container, resource: str) -> int:
    return _amount(resource, (container.resources.limits or {}).get(resource))


def _amount(resource: str, amount: str | None) -> int:
    if amount is None:
        return 0
    return quantity.milli(amount) if resource == "cpu" else quantity.value(amount)


def of_container(pod: Pod, container: Container, node_memory: int) -> Resources:
    """The container's own cgroup."""
    return Resources(
        cpu_period=QUOTA_PERIOD,
        cpu_quota=cpu_quota(limit(container, "cpu")),
        cpu_shares=cpu_shares(request(container, "cpu")),
        memory_limit=limit(container, "memory"),
        oom_score_adj=oom_score(pod, container, node_memory),
    )


def oom_score(pod: Pod, container: Container, node_memory: int) -> int:
    """Who is killed first when the node runs out of memory: those that ask for little and use much."""
    if (pod.spec.priority or 0) >= 2_000_000_000:
        return _OOM_GUARANTEED
    match qos_of(pod):
        case Qos.GUARANTEED:
            return _OOM_GUARANTEED
        case Qos.BEST_EFFORT:
            return _OOM_BEST_EFFORT
    adjusted = 1000 - (1000 * request(container, "memory")) // max(1, node_memory)
    return max(1000 + _OOM_GUARANTEED, min(_OOM_BEST_EFFORT - 1, adjusted))


@dataclass(frozen=True, slots=True)
class PodResources:
    """The pod's cgroup: None where there is no limit."""

    cpu_milli: int
    cpu_quota: int | None
    memory_limit: int | None


def of_pod(pod: Pod) -> PodResources:
    sidecars, others = _split_init(pod)
    running = [*(pod.spec.containers or ()), *sidecars]
    cpu = max(sum(request(c, "cpu") for c in running), max((request(c, "cpu") for c in others), default=0))
    everyone = [*running, *others]
    level = pod.spec.resources
    pod_limits = (level.limits or {}) if level is not None else {}
    pod_requests = (level.requests or {}) if level is not None else {}
    if "cpu" in pod_requests or "cpu" in pod_limits:
        cpu = _amount("cpu", pod_requests.get("cpu", pod_limits.get("cpu")))
    quota = _limit_of_all(everyone, running, others, "cpu")
    memory = _limit_of_all(everyone, running, others, "memory")
    if "cpu" in pod_limits:
        quota = _amount("cpu", pod_limits["cpu"])
    if "memory" in pod_limits:
        memory = _amount("memory", pod_limits["memory"])
    overhead = {name: _amount(name, (pod.spec.overhead or {}).get(name)) for name in ("cpu", "memory")}
    return PodResources(
        cpu + overhead["cpu"],
        None if quota is None else cpu_quota(quota + overhead["cpu"]),
        None if memory is None else memory + overhead["memory"],
    )


def _limit_of_all(
    everyone: Iterable[Container], running: Iterable[Container], others: Iterable[Container], name: str
) -> int | None:
    """A pod is limited in a resource only when each of its containers is."""
    if any(not limit(container, name) for container in everyone):
        return None
    return max(sum(limit(c, name) for c in running), max((limit(c, name) for c in others), default=0)) or None


def pod_request(pod: Pod, resource: str) -> int:
    """What the scheduler and the node's fit check count, overhead included."""
    level = pod.spec.resources
    overhead = _amount(resource, (pod.spec.overhead or {}).get(resource))
    if level is not None and resource in (level.requests or {}):
        return _amount(resource, (level.requests or {})[resource]) + overhead
    total = sum(request(c, resource) for c in pod.spec.containers or ())
    restartable = 0
    peak = 0
    for container in pod.spec.init_containers or ():
        if container.restart_policy == "Always":
            restartable += request(container, resource)
            peak = max(peak, restartable)
        else:
            peak = max(peak, restartable + request(container, resource))
    return max(total + restartable, peak) + overhead


def _split_init(pod: Pod) -> tuple[list[Container], list[Container]]:
    init = list(pod.spec.init_containers or ())
    return [c for c in init if c.restart_policy == "Always"], [c for c in init if c.restart_policy != "Always"]
