"""Resizing one pod that runs: remembers what is granted and what its containers have, and changes the one to the other.

Guarantees  The pod's control group is never tighter than what its containers have at that moment. A container is killed
            only where its resize policy asks for that.
Follows     pkg/kubelet/kuberuntime (doPodResizeAction).
"""

from __future__ import annotations

from collections.abc import Callable

from pybernetes.api.models.core_v1 import Pod, PodCondition

from . import killing, resizing, resources
from .container_config import container_named
from .host import Host
from .observed import ObservedPod
from .plan import Role, Start
from .resizing import Allocation, Update
from .resources import PodResources
from .runtime import Resources, RuntimeFailure
from .status import Reason

RefuseResize = Callable[[Pod], Reason | None]


class Resizer:
    def __init__(self, host: Host, pod: Pod, refuse: RefuseResize) -> None:
        self._host = host
        self._refuse = refuse
        self._allocation: Allocation = resizing.granted_before(pod)
        self._refusal: Reason | None = None
        self._failure = ""
        self._applied: dict[str, Resources] = {}
        self._made_with: dict[str, Resources] = {}
        self._pod_has: PodResources | None = None

    @property
    def unfinished(self) -> bool:
        """Whether a resize waits for room, or for another try."""
        return self._refusal is not None or bool(self._failure)

    def granted(self, pod: Pod, fixed: bool) -> Pod:
        """The pod with what the node grants it now; a pod that is being stopped keeps what it has (`fixed`)."""
        if not fixed:
            decision = resizing.decide(pod, self._allocation, self._refuse)
            self._allocation, self._refusal = decision.allocation, decision.refusal
        return self.as_granted(pod)

    def as_granted(self, pod: Pod) -> Pod:
        return resizing.with_allocation(pod, self._allocation)

    def conditions(self, pod: Pod) -> list[PodCondition]:
        return resizing.conditions(pod, self._refusal, self._failure)

    def starts(self, pod: Pod, start: Start) -> None:
        """A container is about to be made of `pod`."""
        if start.role in (Role.MAIN, Role.SIDECAR):
            container = container_named(pod, start.name)
            self._made_with[start.name] = resources.of_container(pod, container, self._host.node_memory)

    async def resize(self, pod: Pod, observed: ObservedPod) -> bool:
        """Brings the control groups of running containers to what is granted; answers whether anything changed."""
        self._learn(pod, observed)
        found = resizing.updates(pod, observed, self._applied, self._host.node_memory)
        if not found:
            self._failure = ""
            return False
        wanted = resources.of_pod(pod)
        self._set_pod(pod, resizing.roomier(wanted, self._pod_has or wanted))
        try:
            for update in found:
                await self._apply(pod, observed, update)
        except RuntimeFailure as error:
            self._failure = str(error)
            self._host.recorder.event(pod, "Warning", "ResizeError", self._failure)
            return True
        self._failure = ""
        self._set_pod(pod, wanted)
        self._pod_has = wanted
        return True

    async def _apply(self, pod: Pod, observed: ObservedPod, update: Update) -> None:
        if update.restart:
            container = next(c for c in observed.containers if c.id == update.id)
            message = f"Container {update.name} resize requires restart"
            await killing.kill_container(self._host, pod, container, observed, killing.grace_of(pod), message)
        else:
            await self._host.runtime.update_resources(update.id, update.resources)
            self._host.pleg.forget_details(update.id)
        self._applied[update.id] = update.resources

    def _set_pod(self, pod: Pod, wanted: PodResources) -> None:
        if self._host.cgroups is not None:
            self._host.cgroups.update_pod(pod.metadata.uid, resources.qos_of(pod), wanted)

    def _learn(self, pod: Pod, observed: ObservedPod) -> None:
        """What running containers have: those made here, and those that an earlier kubelet made."""
        running = {container.id for container in observed.running}
        self._applied = {key: value for key, value in self._applied.items() if key in running}
        if self._pod_has is None:
            self._pod_has = resources.of_pod(pod)
        for container in resizing.resizable(pod):
            newest = observed.newest(container.name)
            if newest is not None and newest.running and newest.id not in self._applied:
                own = resources.of_container(pod, container, self._host.node_memory)
                self._applied[newest.id] = self._made_with.get(container.name, own)
