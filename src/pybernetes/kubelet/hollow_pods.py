"""One pod that only pretends to run: the kubelet's plan and status over containers that are nothing but values.

Guarantees  Everything happens in `update` and in timers; a container that ends by itself costs one timer. The API shows
            how a container ended before it runs again, and that it waits for that, as with a real one.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from pybernetes.api.clock import Clock
from pybernetes.api.models.core_v1 import Pod

from . import restart_rules
from .attempts import Attempts
from .conditions import TERMINAL
from .container_config import container_named
from .observed import ObservedContainer, ObservedPod
from .plan import Start, container_hash, plan
from .runtime import ContainerConfig, ContainerState, ContainerStatus, Sandbox, SandboxState, SandboxStatus
from .runtime.labels import CONTAINER_HASH, RESTART_COUNT
from .runtime.simulation import ending_of
from .status import status_of
from .status_context import StatusContext
from .status_manager import StatusManager

RUNTIME = "hollow"
MOMENT = 0.5
"""So long it takes to start a container again."""
RESYNC = 60.0


class HollowPod:
    def __init__(
        self,
        pod: Pod,
        host_ips: tuple[str, ...],
        address: str,
        clock: Clock,
        statuses: StatusManager,
        over: asyncio.Queue[HollowPod],
    ) -> None:
        self.pod = pod
        self._host_ips = host_ips
        self._address = address
        self._clock = clock
        self._statuses = statuses
        self._over = over
        self._sandbox: SandboxStatus | None = None
        self._containers: dict[str, ObservedContainer] = {}
        self._attempts = Attempts(clock, _unheard)
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._made = 0
        self._said_over = False

    def update(self, pod: Pod) -> None:
        """The pod as the API has it now."""
        again = pod.metadata.generation == self.pod.metadata.generation and self._made > 0
        self.pod = pod
        self._statuses.seen(pod)
        if pod.metadata.deletion_timestamp is not None:
            self._end()
        elif not again:
            self._advance()

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _advance(self, restarting: bool = False) -> None:
        """Carries the plan out until it is empty, and reports; containers are started again a moment after that."""
        pod, now = self.pod, self._clock.now().replace(microsecond=0)
        if pod.status.phase in TERMINAL or pod.metadata.deletion_timestamp is not None:
            return
        if self._restarts_all():
            self._begin_anew(now, restarting)
            return
        while True:
            actions = plan(pod, self._observed(), now, self._attempts.backoffs)
            again = any(start.restart_count for start in actions.start) and not restarting
            if actions.empty or again:
                break
            if actions.kill_pod:
                self._stop_all(now, 0)
            elif actions.create_sandbox:
                self._sandbox = self._new_sandbox(now, actions.attempt)
            for kill in actions.kill:
                self._exit(kill.name, 0, "Completed", now)
            for start in actions.start:
                self._start(start, now)
        self._report(now, ended=False)
        self._attempts.note_waiting(pod, actions)
        for waiting in actions.waiting:
            self._after(f"back-off {waiting.name}", min(RESYNC, waiting.left.total_seconds()))
        if again:
            self._after("restart", MOMENT, restarting=True)

    def _restarts_all(self) -> bool:
        """Whether a container has ended with the rule that all of them are to begin anew."""
        old = self._statuses.get(self.pod.metadata.uid)
        return (
            old is not None
            and bool(self._containers)
            and restart_rules.wants_restart_of_all(self.pod, self._observed(), old)
        )

    def _begin_anew(self, now: datetime, restarting: bool) -> None:
        """All containers are taken away a moment after that was said, and made again a moment later."""
        if restarting:
            for name in list(self._containers):
                self._exit(name, 137, "Error", now)
            self._containers.clear()
        self._report(now, ended=False)
        self._after("restart", MOMENT, restarting=True)

    def _report(self, now: datetime, ended: bool) -> None:
        running = frozenset(c.id for c in self._containers.values() if c.running)
        uid = self.pod.metadata.uid
        context = StatusContext(
            now=now,
            host_ips=self._host_ips,
            runtime_name=RUNTIME,
            reasons=self._attempts.reasons,
            ready=running,
            started=running,
            ended=ended,
            old=self._statuses.get(uid),
        )
        status = status_of(self.pod, self._observed(), context)
        self._statuses.set(self.pod, status)
        if status.phase in TERMINAL and self._sandbox is not None and not ended:
            self._stop_all(now, 0)

    def _end(self) -> None:
        """The pod is deleted: its containers stop at once."""
        if self._said_over:
            return
        self._said_over = True
        now = self._clock.now().replace(microsecond=0)
        self._stop_all(now, 0)
        self.close()
        if self.pod.metadata.finalizers:
            self._report(now, ended=True)
        self._over.put_nowait(self)

    # ---- what seems to happen

    def _observed(self) -> ObservedPod:
        metadata = self.pod.metadata
        sandboxes = () if self._sandbox is None else (self._sandbox,)
        newest = sorted(self._containers.values(), key=lambda c: c.restart_count, reverse=True)
        return ObservedPod(metadata.uid, metadata.name, metadata.namespace, sandboxes, tuple(newest))

    def _new_sandbox(self, now: datetime, attempt: int) -> SandboxStatus:
        metadata = self.pod.metadata
        sandbox = Sandbox(
            id=self._identifier(),
            name=metadata.name,
            namespace=metadata.namespace,
            uid=metadata.uid,
            attempt=attempt,
            state=SandboxState.READY,
            created_at=now,
        )
        return SandboxStatus(sandbox, () if self.pod.spec.host_network else (self._address,))

    def _start(self, wanted: Start, now: datetime) -> None:
        told = self._statuses.get(self.pod.metadata.uid)
        start = replace(wanted, restart_count=max(wanted.restart_count, restart_rules.restarts_told(told, wanted.name)))
        self._attempts.begun(start)
        self._attempts.succeeded(start)
        container = container_named(self.pod, start.name)
        assert self._sandbox is not None
        status = ContainerStatus(
            id=self._identifier(),
            name=start.name,
            attempt=start.restart_count,
            state=ContainerState.RUNNING,
            created_at=now,
            started_at=now,
            image=container.image,
            image_ref=container.image,
            annotations={RESTART_COUNT: str(start.restart_count), CONTAINER_HASH: container_hash(container)},
        )
        previous = self._containers.pop(start.name, None)
        if previous is not None:
            self._containers[f"{start.name} before"] = previous
        self._containers[start.name] = ObservedContainer(status, self._sandbox.sandbox.id)
        config = ContainerConfig(
            name=start.name, image="", command=tuple(container.command), args=tuple(container.args)
        )
        ending = ending_of(config, self.pod.metadata.annotations)
        if ending is None and start.role.name == "INIT":
            self._exit(start.name, 0, "Completed", now)
        elif ending is not None:
            loop = asyncio.get_running_loop()
            arguments = (start.name, ending.exit_code, ending.reason)
            self._timers[start.name] = loop.call_later(ending.after, self._ended_by_itself, *arguments)

    def _ended_by_itself(self, name: str, exit_code: int, reason: str) -> None:
        self._exit(name, exit_code, reason, self._clock.now().replace(microsecond=0))
        self._advance()

    def _exit(self, name: str, exit_code: int, reason: str, now: datetime) -> None:
        found = self._containers.get(name)
        if found is not None and found.running:
            status = replace(
                found.status, state=ContainerState.EXITED, exit_code=exit_code, reason=reason, finished_at=now
            )
            self._containers[name] = replace(found, status=status)
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _stop_all(self, now: datetime, exit_code: int) -> None:
        for name in list(self._containers):
            self._exit(name, exit_code, "Completed", now)
        if self._sandbox is not None:
            stopped = replace(self._sandbox.sandbox, state=SandboxState.NOT_READY)
            self._sandbox = SandboxStatus(stopped)

    def _after(self, name: str, seconds: float, restarting: bool = False) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
        loop = asyncio.get_running_loop()
        self._timers[name] = loop.call_later(max(0.01, seconds), self._advance, restarting)

    def _identifier(self) -> str:
        self._made += 1
        return f"{self.pod.metadata.uid}-{self._made}"


def _unheard(container: str, type: str, reason: str, message: str) -> None:
    """Hollow pods write no events."""
