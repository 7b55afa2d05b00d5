"""Resizing one pod that runs: remembers what is granted and what its containers have, and changes the one to the other.

Guarantees  The pod's control group is never tighter than what its containers have at that moment. A container is killed
            only where its resize policy asks for that. From the grant until all of it is done a condition says so.
Follows     pkg/kubelet/kuberuntime (doPodResizeAction) and pkg/kubelet/allocation (handlePodResourcesResize).
"""

from __future__ import annotations

from collections.abc import Callable

from pybernetes.api.models.core_v1 import Pod, PodCondition

from . import killing, resizing, resources
from .container_config import container_named
from .host import Host
from .observed import ObservedPod
from .plan import Role, Start
from .pod_share import PodShare, share_of
from .resizing import Allocation, Progress, Update
from .resources import PodResources
from .runtime import Resources, RuntimeFailure
from .status_context import Reason

RefuseResize = Callable[[Pod], Reason | None]


class Resizer:
    def __init__(self, host: Host, pod: Pod, refuse: RefuseResize) -> None:
        self._host = host
        self._refuse = refuse
        self._allocation: Allocation = resizing.granted_before(pod)
        self._refusal: Reason | None = None
        self._progress: Progress | None = None
        before = self.as_granted(pod)
        self._share = share_of(before)
        self._pod_has = resources.of_pod(before)
        self._made_with: dict[str, Resources] = {
            one.name: resources.of_container(before, one, host.node_memory) for one in resizing.resizable(before)
        }
        self._applied: dict[str, Resources] = {}
        self._done: Allocation | None = None
        """What containers and the pod's group are known to have."""

    @property
    def unfinished(self) -> bool:
        """Whether a resize waits for room, or for another try."""
        return self._refusal is not None or (self._progress is not None and bool(self._progress.problem))

    @property
    def share(self) -> PodShare:
        return self._share

    def granted(self, pod: Pod, fixed: bool) -> Pod:
        """The pod with what the node grants it now; a pod that is being stopped keeps what it has (`fixed`)."""
        if not fixed:
            decision = resizing.decide(pod, self._allocation, self._refuse)
            if decision.refusal is not None and decision.refusal != self._refusal:
                self._say_refused(pod, decision.refusal)
            self._refusal = decision.refusal
            if decision.allocation is not self._allocation:
                self._grant(pod, decision.allocation)
        return self.as_granted(pod)

    def as_granted(self, pod: Pod) -> Pod:
        return resizing.with_allocation(pod, self._allocation)

    def conditions(self, pod: Pod) -> list[PodCondition]:
        return resizing.conditions(pod, self._refusal, self._progress)

    def starts(self, pod: Pod, start: Start) -> None:
        """A container is about to be made of `pod`."""
        if start.role is not Role.EPHEMERAL:
            container = container_named(pod, start.name)
            self._made_with[start.name] = resources.of_container(pod, container, self._host.node_memory)

    async def resize(self, pod: Pod, observed: ObservedPod) -> bool:
        """Brings control groups to what is granted; answers whether the pod's status is another now."""
        if self._done is self._allocation:
            return False
        self._learn(pod, observed)
        found = resizing.updates(pod, observed, self._applied, self._host.node_memory)
        wanted = resources.of_pod(pod)
        if found or wanted != self._pod_has:
            self._set_pod(pod, resizing.roomier(wanted, self._pod_has))
            try:
                for update in found:
                    await self._apply(pod, observed, update)
            except RuntimeFailure as error:
                self._fail(pod, str(error))
                return True
            self._set_pod(pod, wanted)
            self._pod_has = wanted
        self._done = self._allocation
        return self._complete(pod)

    def _grant(self, pod: Pod, allocation: Allocation) -> None:
        self._allocation = allocation
        self._share = share_of(self.as_granted(pod))
        self._progress = Progress(pod.metadata.generation)
        self._host.recorder.event(pod, "Normal", "ResizeStarted", resizing.told("Pod resize started", pod))

    def _say_refused(self, pod: Pod, refusal: Reason) -> None:
        text = resizing.told(f"Pod resize {refusal.reason}", pod, refusal.message)
        self._host.recorder.event(pod, "Warning", f"Resize{refusal.reason}", text)

    def _fail(self, pod: Pod, problem: str) -> None:
        failed = Progress(pod.metadata.generation if self._progress is None else self._progress.generation, problem)
        if failed != self._progress:
            text = resizing.told("Pod resize error", pod, problem)
            self._host.recorder.event(pod, "Warning", "ResizeError", text)
        self._progress = failed

    def _complete(self, pod: Pod) -> bool:
        if self._progress is None:
            return False
        self._progress = None
        self._host.recorder.event(pod, "Normal", "ResizeCompleted", resizing.told("Pod resize completed", pod))
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
        for container in resizing.resizable(pod):
            newest = observed.newest(container.name)
            if newest is not None and newest.running and newest.id not in self._applied:
                self._applied[newest.id] = self._made_with[container.name]
