"""Pod lifecycle event generator: learns from the runtime what has become of the pods, and says which ones changed.

Guarantees  `get` answers the latest report; `refresh` asks the runtime for one pod now. Details of a container are
            asked for only when its state has changed, so that a relist of an idle node is two calls.
Follows     pkg/kubelet/pleg/generic.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from pybernetes.api.clock import Clock

from .observed import ObservedPod, assemble
from .runtime import (
    Container,
    ContainerState,
    ContainerStatus,
    NotFound,
    Runtime,
    RuntimeFailure,
    Sandbox,
    SandboxState,
    SandboxStatus,
)
from .runtime.labels import POD_UID

log = structlog.get_logger(__name__)
HEALTHY_FOR = 180.0


class Pleg:
    def __init__(self, runtime: Runtime, clock: Clock, period: float, changed: Callable[[str], None]) -> None:
        self._runtime = runtime
        self._clock = clock
        self.period = period
        self._changed = changed
        self._pods: dict[str, ObservedPod] = {}
        self._containers: dict[str, ContainerStatus] = {}
        self._sandboxes: dict[str, SandboxStatus] = {}
        self._relisted: float | None = None
        self.listed = asyncio.Event()
        self.last_error = ""

    def get(self, uid: str) -> ObservedPod:
        return self._pods.get(uid) or ObservedPod(uid)

    def pods(self) -> dict[str, ObservedPod]:
        """Every pod that the runtime knows anything of."""
        return dict(self._pods)

    @property
    def problem(self) -> str:
        """Why the node is not ready, if the runtime has not answered for long."""
        if self._relisted is None:
            return "PLEG is not healthy: pleg has yet to be successful"
        silent = self._clock.monotonic() - self._relisted
        if silent > HEALTHY_FOR:
            return f"PLEG is not healthy: pleg was last seen active {silent:.0f}s ago; threshold is {HEALTHY_FOR:.0f}s"
        return ""

    async def run(self) -> None:
        while True:
            try:
                await self.relist()
                self.last_error = ""
            except RuntimeFailure as error:
                if str(error) != self.last_error:
                    log.warning("relist failed", error=str(error))
                self.last_error = str(error)
            await asyncio.sleep(self.period)

    async def relist(self) -> None:
        """One look at everything; tells of each pod whose report differs from the last."""
        sandboxes = await self._runtime.list_sandboxes()
        containers = await self._runtime.list_containers()
        by_uid: dict[str, tuple[list[Sandbox], list[Container]]] = {}
        for sandbox in sandboxes:
            by_uid.setdefault(sandbox.uid, ([], []))[0].append(sandbox)
        for container in containers:
            by_uid.setdefault(container.labels.get(POD_UID, ""), ([], []))[1].append(container)
        by_uid.pop("", None)
        self._forget({s.id for s in sandboxes}, {c.id for c in containers})
        for uid in self._pods.keys() - by_uid.keys():
            del self._pods[uid]
            self._changed(uid)
        for uid, (own_sandboxes, own_containers) in by_uid.items():
            if self._is_new(uid, own_sandboxes, own_containers) and self._put(
                await self._look(uid, own_sandboxes, own_containers)
            ):
                self._changed(uid)
        self._relisted = self._clock.monotonic()
        self.listed.set()

    async def refresh(self, uid: str) -> ObservedPod:
        """The pod as it is now, for its worker, which has just done something to it."""
        sandboxes = await self._runtime.list_sandboxes(pod_uid=uid)
        containers = await self._runtime.list_containers(pod_uid=uid)
        if not sandboxes and not containers:
            self._pods.pop(uid, None)
            return ObservedPod(uid)
        observed = await self._look(uid, sandboxes, containers)
        self._put(observed)
        return observed

    def _is_new(self, uid: str, sandboxes: Sequence[Sandbox], containers: Sequence[Container]) -> bool:
        """Whether a look at the details could show anything that the last report does not."""
        known = self._pods.get(uid)
        if known is None:
            return True
        before = {(s.sandbox.id, s.sandbox.state) for s in known.sandboxes}
        before_containers = {(c.id, c.status.state) for c in known.containers}
        waits_for_ip = any(s.sandbox.state is SandboxState.READY and not s.ips for s in known.sandboxes)
        return (
            waits_for_ip
            or before != {(s.id, s.state) for s in sandboxes}
            or before_containers != {(c.id, c.state) for c in containers}
        )

    def _put(self, observed: ObservedPod) -> bool:
        changed = self._pods.get(observed.uid) != observed
        self._pods[observed.uid] = observed
        return changed

    async def _look(self, uid: str, sandboxes: Sequence[Sandbox], containers: Sequence[Container]) -> ObservedPod:
        looked_at = [await self._sandbox(sandbox) for sandbox in sandboxes]
        details = [(container, await self._container(container)) for container in containers]
        return assemble(
            uid,
            [status for status in looked_at if status is not None],
            [(container, status) for container, status in details if status is not None],
        )

    async def _sandbox(self, sandbox: Sandbox) -> SandboxStatus | None:
        known = self._sandboxes.get(sandbox.id)
        if known is not None and known.sandbox.state is sandbox.state and (known.ips or sandbox.state.name != "READY"):
            return known
        try:
            status = await self._runtime.sandbox_status(sandbox.id)
        except NotFound:
            return None
        self._sandboxes[sandbox.id] = status
        return status

    async def _container(self, container: Container) -> ContainerStatus | None:
        known = self._containers.get(container.id)
        if known is not None and known.state is container.state and container.state is not ContainerState.UNKNOWN:
            return known
        try:
            status = await self._runtime.container_status(container.id)
        except NotFound:
            return None
        self._containers[container.id] = status
        return status

    def forget(self, uid: str) -> None:
        """Everything of the pod has been removed."""
        self._pods.pop(uid, None)

    def forget_details(self, container_id: str) -> None:
        """A container's resources were changed: what is known of it is old."""
        self._containers.pop(container_id, None)

    def _forget(self, sandboxes: set[str], containers: set[str]) -> None:
        for gone in self._sandboxes.keys() - sandboxes:
            del self._sandboxes[gone]
        for gone in self._containers.keys() - containers:
            del self._containers[gone]
