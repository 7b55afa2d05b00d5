"""Running the probes of running containers, each in its own rhythm.

Guarantees  A probe runs only while its container does. Liveness and readiness wait for the startup probe. The
            verdicts are read with `health` and `ready`; a change calls back.
Follows     pkg/kubelet/prober (prober_manager.go, worker.go).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from random import Random

from pybernetes.api.clock import Clock
from pybernetes.api.models.core_v1 import Pod, Probe

from . import probes
from .observed import ObservedPod
from .plan import Health, Role, all_containers
from .probes import INITIAL, Finding, ProbeType, Progress, Target, Verdict
from .runtime import Runtime

Say = Callable[[str, str, str, str], None]
"""container, type, reason, message"""


@dataclass(slots=True)
class _Watched:
    """One container that runs, and where its probes stand."""

    target: Target
    progress: dict[ProbeType, Progress] = field(default_factory=dict)
    tasks: dict[ProbeType, asyncio.Task[None]] = field(default_factory=dict)


class Prober:
    """The probes of one pod."""

    def __init__(self, runtime: Runtime, clock: Clock, random: Random, say: Say, changed: Callable[[], None]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._random = random
        self._say = say
        self._changed = changed
        self._watched: dict[str, _Watched] = {}
        self._stopping = False

    def follow(self, pod: Pod, observed: ObservedPod) -> None:
        """Starts the probes of containers that have come, and ends those of containers that are gone."""
        running: set[str] = set()
        ip = next(iter(observed.ips), pod.status.host_ip or "127.0.0.1")
        for role, container in all_containers(pod):
            found = observed.newest(container.name)
            if found is None or not found.running or role is Role.INIT:
                continue
            running.add(found.id)
            if found.id not in self._watched and not self._stopping:
                self._begin(Target(pod, container, found.id, ip), self._age(found.status.started_at))
        for gone in self._watched.keys() - running:
            self._end(gone)

    def _age(self, started: datetime | None) -> float:
        """How long the container has run: initial delays count from its start, whichever kubelet started it."""
        return 0.0 if started is None else max(0.0, (self._clock.now() - started).total_seconds())

    def _begin(self, target: Target, age: float) -> None:
        watched = _Watched(target)
        self._watched[target.container_id] = watched
        for kind in ProbeType:
            probe = probes.probe_of(target.container, kind)
            if probe is not None:
                watched.progress[kind] = Progress(_first_verdict(target, kind))
                name = f"probe {kind.lower()} {target.pod.metadata.name}/{target.container.name}"
                watched.tasks[kind] = asyncio.create_task(self._loop(watched, kind, probe, age), name=name)

    def _end(self, container_id: str) -> None:
        for task in self._watched.pop(container_id).tasks.values():
            task.cancel()

    def stop_liveness(self) -> None:
        """A pod that is being stopped may not be restarted; its readiness is still asked for."""
        self._stopping = True
        for watched in self._watched.values():
            for kind in (ProbeType.LIVENESS, ProbeType.STARTUP):
                task = watched.tasks.pop(kind, None)
                if task is not None:
                    task.cancel()

    def close(self) -> None:
        for container_id in list(self._watched):
            self._end(container_id)

    async def _loop(self, watched: _Watched, kind: ProbeType, probe: Probe, age: float) -> None:
        period = float(probe.period_seconds or 10)
        delay = (probe.initial_delay_seconds or 0) - age
        await asyncio.sleep(max(0.0, delay) if delay > 0 else self._random.uniform(0, min(1.0, period)))
        while True:
            if kind is ProbeType.STARTUP and self._verdict(watched, kind) is Verdict.SUCCESS:
                return
            if kind is ProbeType.STARTUP or self._has_started(watched):
                await self._once(watched, kind, probe)
                if kind is not ProbeType.READINESS and self._verdict(watched, kind) is Verdict.FAILURE:
                    # The container is restarted: asking one that is being stopped would only tell of that.
                    return
            await asyncio.sleep(period if kind is ProbeType.STARTUP or self._has_started(watched) else min(period, 1.0))

    async def _once(self, watched: _Watched, kind: ProbeType, probe: Probe) -> None:
        finding = await probes.run(probe, watched.target, self._runtime)
        self._tell(watched.target, kind, finding)
        before = watched.progress[kind]
        after = before.after(finding.verdict, probe.success_threshold or 1, probe.failure_threshold or 3)
        watched.progress[kind] = after
        if after.verdict is not before.verdict:
            self._changed()

    def _tell(self, target: Target, kind: ProbeType, finding: Finding) -> None:
        if finding.verdict is Verdict.FAILURE:
            self._say(target.container.name, "Warning", "Unhealthy", f"{kind} probe failed: {finding.output}")
        elif finding.warning:
            self._say(target.container.name, "Warning", "ProbeWarning", f"{kind} probe warning: {finding.output}")
        elif finding.verdict is Verdict.UNKNOWN:
            self._say(
                target.container.name,
                "Warning",
                "Unhealthy",
                f"{kind} probe errored and resulted in unknown state: {finding.output}",
            )

    def _verdict(self, watched: _Watched, kind: ProbeType) -> Verdict:
        """A probe that is not declared is content."""
        progress = watched.progress.get(kind)
        return Verdict.SUCCESS if progress is None else progress.verdict

    def _has_started(self, watched: _Watched) -> bool:
        return self._verdict(watched, ProbeType.STARTUP) is Verdict.SUCCESS

    def health(self) -> Health:
        def having(kind: ProbeType, verdict: Verdict) -> frozenset[str]:
            return frozenset(i for i, w in self._watched.items() if self._verdict(w, kind) is verdict)

        started = having(ProbeType.STARTUP, Verdict.SUCCESS)
        return Health(
            liveness_failed=having(ProbeType.LIVENESS, Verdict.FAILURE),
            startup_failed=having(ProbeType.STARTUP, Verdict.FAILURE),
            starting=frozenset(self._watched.keys() - started),
        )

    def started(self) -> frozenset[str]:
        return frozenset(i for i, watched in self._watched.items() if self._has_started(watched))

    def ready(self) -> frozenset[str]:
        return frozenset(
            i
            for i, watched in self._watched.items()
            if self._has_started(watched) and self._verdict(watched, ProbeType.READINESS) is Verdict.SUCCESS
        )

    def probe_grace(self, container_id: str) -> int | None:
        """The grace period of the probe that has failed, where it has its own."""
        watched = self._watched.get(container_id)
        if watched is None:
            return None
        for kind in (ProbeType.STARTUP, ProbeType.LIVENESS):
            probe = probes.probe_of(watched.target.container, kind)
            if probe is not None and self._verdict(watched, kind) is Verdict.FAILURE:
                return probe.termination_grace_period_seconds
        return None


def _first_verdict(target: Target, kind: ProbeType) -> Verdict:
    """Before the first result: of a container that an earlier kubelet looked after, what that one said."""
    status = target.pod.status
    for known in [*status.container_statuses, *status.init_container_statuses]:
        if known.container_id.endswith(f"//{target.container_id}"):
            if kind is ProbeType.STARTUP and known.started:
                return Verdict.SUCCESS
            if kind is ProbeType.READINESS and known.ready:
                return Verdict.SUCCESS
    return INITIAL[kind]
