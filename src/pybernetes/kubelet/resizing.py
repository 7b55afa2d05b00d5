"""Changing the resources of a pod that runs: what the node grants, and what must be done to containers for it.

Guarantees  Pure. A resize is granted whole or not at all; until then the pod keeps what it has, a condition says why.
            Containers are updated in place unless their resize policy asks for a restart.
Follows     pkg/kubelet/allocation and pkg/kubelet/kuberuntime (computePodResizeAction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec

from pybernetes.api import quantity
from pybernetes.api.models.core_v1 import Container, ContainerStatus, Pod, PodCondition, ResourceRequirements

from . import resources
from .observed import ObservedPod
from .resources import PodResources
from .runtime import Resources
from .status_context import Reason

PENDING = "PodResizePending"
IN_PROGRESS = "PodResizeInProgress"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What the node has granted: to each container, and to the pod where that states resources of its own."""

    containers: Mapping[str, ResourceRequirements]
    pod: ResourceRequirements | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A resize that was granted for a generation and is not done; `problem` is why the last try was in vain."""

    generation: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    allocation: Allocation
    refusal: Reason | None = None


def resizable(pod: Pod) -> list[Container]:
    return [*pod.spec.containers, *pod.spec.init_containers]


def asked_for(pod: Pod) -> Allocation:
    return Allocation({container.name: container.resources for container in resizable(pod)}, pod.spec.resources)


def granted_before(pod: Pod) -> Allocation:
    """What an earlier kubelet granted, as the pod's status tells; what the pod asks for where it tells nothing."""
    known: dict[str, ContainerStatus] = {
        status.name: status for status in (*pod.status.container_statuses, *pod.status.init_container_statuses)
    }
    granted = {container.name: container.resources for container in resizable(pod)}
    for name in granted:
        status = known.get(name)
        if status is not None and status.container_id and status.resources is not None:
            granted[name] = status.resources
    return Allocation(granted, _of_pod_before(pod))


def _of_pod_before(pod: Pod) -> ResourceRequirements | None:
    """The status shows more than the pod states for itself."""
    level, shown = pod.spec.resources, pod.status.resources
    if level is None or shown is None:
        return level
    return ResourceRequirements(
        requests=_as_shown(level.requests, shown.requests), limits=_as_shown(level.limits, shown.limits)
    )


def _as_shown(stated: Mapping[str, str], shown: Mapping[str, str]) -> dict[str, str]:
    """The amounts that are shown, in the words of what is stated where both are the same."""
    return {
        name: amount if quantity.parse(shown.get(name, amount)) == quantity.parse(amount) else shown[name]
        for name, amount in stated.items()
    }


def decide(pod: Pod, allocation: Allocation, refusal_of: Callable[[Pod], Reason | None]) -> Decision:
    """Grants what the pod asks for, or keeps what it has."""
    wanted = asked_for(pod)
    if wanted == allocation:
        return Decision(allocation)
    refusal = refusal_of(pod)
    return Decision(wanted) if refusal is None else Decision(allocation, refusal)


def with_allocation(pod: Pod, allocation: Allocation) -> Pod:
    """The pod as it is granted: itself when that is what it asks for."""
    if asked_for(pod) == allocation:
        return pod

    def granted(container: Container) -> Container:
        found = allocation.containers.get(container.name)
        return container if found is None else msgspec.structs.replace(container, resources=found)

    spec = msgspec.structs.replace(
        pod.spec,
        containers=[granted(container) for container in pod.spec.containers],
        init_containers=[granted(container) for container in pod.spec.init_containers],
        resources=allocation.pod,
    )
    return msgspec.structs.replace(pod, spec=spec)


@dataclass(frozen=True, slots=True)
class Update:
    """One container's cgroup is not as granted. `restart` when its policy asks for that."""

    id: str
    name: str
    resources: Resources
    restart: bool


def updates(pod: Pod, observed: ObservedPod, applied: Mapping[str, Resources], node_memory: int) -> list[Update]:
    """`applied` is what each container is known to have, by its id; those without an entry are left alone."""
    found: list[Update] = []
    for container in resizable(pod):
        newest = observed.newest(container.name)
        if newest is None or not newest.running or newest.id not in applied:
            continue
        has, wanted = applied[newest.id], resources.of_container(pod, container, node_memory)
        changed = set(_differences(has, wanted))
        if changed:
            restart = any(
                p.resource_name in changed and p.restart_policy == "RestartContainer" for p in container.resize_policy
            )
            found.append(Update(newest.id, container.name, wanted, restart))
    return found


def _differences(has: Resources, wanted: Resources) -> Iterable[str]:
    if (has.cpu_shares, has.cpu_quota) != (wanted.cpu_shares, wanted.cpu_quota):
        yield "cpu"
    if has.memory_limit != wanted.memory_limit:
        yield "memory"


def roomier(one: PodResources, other: PodResources) -> PodResources:
    """Limits under which both fit: containers are changed while their pod's group has these."""

    def most(a: int | None, b: int | None) -> int | None:
        return None if a is None or b is None else max(a, b)

    return PodResources(
        max(one.cpu_milli, other.cpu_milli),
        most(one.cpu_quota, other.cpu_quota),
        most(one.memory_limit, other.memory_limit),
    )


def conditions(pod: Pod, refusal: Reason | None, progress: Progress | None) -> list[PodCondition]:
    """What the pod's status says about a resize that is not done."""
    found: list[PodCondition] = []
    if refusal is not None:
        found.append(
            PodCondition(
                type=PENDING,
                status="True",
                reason=refusal.reason,
                message=refusal.message,
                observed_generation=pod.metadata.generation,
            )
        )
    if progress is not None:
        found.append(
            PodCondition(
                type=IN_PROGRESS,
                status="True",
                reason="Error" if progress.problem else "",
                message=progress.problem,
                observed_generation=progress.generation,
            )
        )
    return found


def told(what: str, pod: Pod, problem: str = "") -> str:
    """An event's words: what happens, and what the pod asks for."""

    def stated(containers: Iterable[Container]) -> list[dict[str, object]]:
        return [{"name": one.name, "resources": one.resources} for one in containers]

    summary: dict[str, object] = {}
    if pod.spec.init_containers:
        summary["initContainers"] = stated(pod.spec.init_containers)
    summary |= {"containers": stated(pod.spec.containers), "generation": pod.metadata.generation}
    if problem:
        summary["error"] = problem
    return f"{what}: {msgspec.json.encode(summary).decode()}"
