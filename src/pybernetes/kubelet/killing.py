"""Stopping containers: the pre-stop hook first, then the signal, then force, all within one grace period.

Guarantees  Main containers go before sidecars, sidecars in the reverse of their order; sandboxes last. What is
            stopped already is fine.
Follows     pkg/kubelet/kuberuntime (killContainer, killPodWithSyncResult, terminationOrdering).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

import msgspec

from pybernetes.api.models.core_v1 import Container, LifecycleHandler, Pod

from . import hooks
from .container_config import container_named
from .host import Host
from .observed import ObservedContainer, ObservedPod
from .probes import Target
from .runtime import SandboxState
from .runtime.labels import POD_TERMINATION_GRACE_PERIOD, PRE_STOP_HANDLER

MINIMUM_GRACE = 2
DEFAULT_GRACE = 30


def grace_of(pod: Pod, override: int | None = None) -> int:
    """How long the pod's containers may take: what the deletion says, then what the pod says."""
    if override is not None:
        return override
    if pod.metadata.deletion_grace_period_seconds is not None:
        return pod.metadata.deletion_grace_period_seconds
    grace = pod.spec.termination_grace_period_seconds
    return DEFAULT_GRACE if grace is None else grace


async def kill_pod(host: Host, pod: Pod, observed: ObservedPod, grace: int) -> None:
    """Stops everything of the pod; returns when the runtime says that it is done."""
    sidecars = [c.name for c in pod.spec.init_containers if c.restart_policy == "Always"]
    began = host.clock.monotonic()
    first = [container for container in observed.running if container.name not in sidecars]
    await _kill_together(host, pod, first, observed, grace)
    for name in reversed(sidecars):
        left = max(0, grace - int(host.clock.monotonic() - began))
        await _kill_together(host, pod, [c for c in observed.running if c.name == name], observed, left)
    for status in observed.sandboxes:
        if status.sandbox.state is SandboxState.READY:
            await host.runtime.stop_sandbox(status.sandbox.id)


async def _kill_together(
    host: Host, pod: Pod, containers: Sequence[ObservedContainer], observed: ObservedPod, grace: int
) -> None:
    await together([kill_container(host, pod, container, observed, grace) for container in containers])


async def together(killings: Sequence[Coroutine[None, None, None]]) -> None:
    """All at once; when they are over, the first failure is raised."""
    for result in await asyncio.gather(*killings, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


async def kill_container(
    host: Host, pod: Pod, found: ObservedContainer, observed: ObservedPod, grace: int, message: str = ""
) -> None:
    field = field_path(pod, found.name)
    host.recorder.event(pod, "Normal", "Killing", message or f"Stopping container {found.name}", field_path=field)
    began = host.clock.monotonic()
    if grace > 0 and host.runtime.runs_processes:
        await _pre_stop(host, pod, found, observed, grace)
    spent = int(host.clock.monotonic() - began)
    left = max(MINIMUM_GRACE, grace - spent) if grace > 0 else 0
    await host.runtime.stop_container(found.id, grace_period=left)


async def _pre_stop(host: Host, pod: Pod, found: ObservedContainer, observed: ObservedPod, grace: int) -> None:
    handler = pre_stop_of(pod, found)
    if handler is None:
        return
    try:
        container = container_named(pod, found.name)
    except LookupError:
        container = Container(name=found.name)
    ip = next(iter(observed.ips), next(iter(host.node.addresses), ""))
    try:
        async with asyncio.timeout(grace):
            await hooks.run(handler, Target(pod, container, found.id, ip), host.runtime)
    except TimeoutError:
        message = f"PreStopHook did not complete in {grace} seconds"
        host.recorder.event(pod, "Warning", "FailedPreStopHook", message, field_path=field_path(pod, found.name))
    except hooks.HookFailure as error:
        message = f"PreStopHook failed: {error}"
        host.recorder.event(pod, "Warning", "FailedPreStopHook", message, field_path=field_path(pod, found.name))


def pre_stop_of(pod: Pod, found: ObservedContainer) -> LifecycleHandler | None:
    """From the pod, or from what the container was made with when its pod is no longer known."""
    try:
        lifecycle = container_named(pod, found.name).lifecycle
        return lifecycle.pre_stop if lifecycle is not None else None
    except LookupError:
        text = found.status.annotations.get(PRE_STOP_HANDLER)
        return msgspec.json.decode(text, type=LifecycleHandler) if text else None


def grace_of_unknown(observed: ObservedPod) -> int:
    """For a pod that the API server does not know any more."""
    found = [c.status.annotations.get(POD_TERMINATION_GRACE_PERIOD, "") for c in observed.containers]
    return max((int(text) for text in found if text.isdigit()), default=DEFAULT_GRACE)


def field_path(pod: Pod, container: str) -> str:
    """Where events say that a container is."""
    for field, containers in (
        ("initContainers", pod.spec.init_containers),
        ("ephemeralContainers", pod.spec.ephemeral_containers),
    ):
        if any(c.name == container for c in containers):
            return f"spec.{field}{{{container}}}"
    return f"spec.containers{{{container}}}"
