"""Removing what is dead: containers, sandboxes and logs that nobody needs to look at any more.

Guarantees  What runs is never removed. Of each container of a living pod the newest instance stays, and so many
            dead ones as are allowed.
Follows     pkg/kubelet/kuberuntime/kuberuntime_gc.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .host import Host
from .observed import ObservedPod
from .runtime import SandboxState


@dataclass(frozen=True, slots=True)
class Garbage:
    containers: tuple[str, ...]
    sandboxes: tuple[str, ...]


def garbage_of(observed: ObservedPod, keep: int) -> Garbage:
    """What may go of a pod that is still known: old instances beyond `keep`, and old sandboxes without containers."""
    doomed = [
        container
        for instances in observed.by_name.values()
        for container in instances[1 + keep :]
        if not container.running
    ]
    gone = {container.id for container in doomed}
    in_use = {container.sandbox_id for container in observed.containers if container.id not in gone}
    old = [
        status.sandbox.id
        for status in observed.sandboxes[1:]
        if status.sandbox.state is SandboxState.NOT_READY and status.sandbox.id not in in_use
    ]
    return Garbage(tuple(container.id for container in doomed), tuple(old))


async def collect(host: Host, pods: Mapping[str, ObservedPod], known: Iterable[str]) -> None:
    for uid in known:
        observed = pods.get(uid)
        if observed is None:
            continue
        garbage = garbage_of(observed, host.node.max_dead_containers_per_container)
        for container in garbage.containers:
            await host.runtime.remove_container(container)
        for sandbox in garbage.sandboxes:
            await host.runtime.remove_sandbox(sandbox)
    if host.runtime.runs_processes:
        host.logs.remove_dead_links()


async def remove_pod(host: Host, uid: str, namespace: str, name: str) -> None:
    """Everything that is left of a pod whose containers have all ended."""
    observed = await host.pleg.refresh(uid)
    for container in observed.containers:
        await host.runtime.remove_container(container.id)
    for status in observed.sandboxes:
        await host.runtime.remove_sandbox(status.sandbox.id)
    host.pleg.forget(uid)
    if host.runtime.runs_processes:
        host.logs.remove_pod_logs(namespace, name, uid)
        host.logs.remove_dead_links()
