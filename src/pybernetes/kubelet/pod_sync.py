"""Making one pod of this node be as declared, a step at a time.

Guarantees  What has happened is reported before anything is done about it, so that the API shows how a container ended
            before it shows that it waits, and that it waited before it runs again. Containers that run as declared are
            never touched, so that a kubelet which has just started leaves them alone.
Follows     pkg/kubelet/kubelet.go (SyncPod) and pkg/kubelet/kuberuntime (SyncPod).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from pybernetes.api.models.core_v1 import Pod

from . import killing, resources, restart_rules, starting
from .attempts import RETRY, Attempts, Retries
from .conditions import TERMINAL
from .container_config import sandbox_config
from .host import Host
from .image_manager import StartFailure
from .observed import ObservedPod
from .plan import Kill, PodActions, Start, plan
from .prober import Prober
from .reporting import Reporter
from .resizer import RefuseResize, Resizer
from .restart_rules import Reset
from .status_context import Reason
from .volumes import Mounted, VolumeError

UNCHANGED = 1.0


class PodSync:
    """`step` once, and again after the time that it answers, or as soon as anything has changed."""

    def __init__(
        self, host: Host, pod: Pod, retries: Retries, refuse_resize: RefuseResize, changed: Callable[[], None]
    ) -> None:
        self._host = host
        self._pod = pod
        self._retries = retries
        self._attempts = Attempts(host.clock, self._say)
        self._mounted: dict[str, Mounted] = {}
        self._remount = True
        self._resizer = Resizer(host, pod, refuse_resize)
        self.prober = Prober(host.runtime, host.clock, host.random, self._say, changed)
        self.reporter = Reporter(host, self.prober, self._attempts, self._resizer)

    def look_again(self) -> None:
        """What the pod is made from has changed: its volumes are made new, and what failed is tried at once."""
        self._remount = True
        self._attempts.release()

    async def step(self, pod: Pod, *, fixed: bool) -> float | None:
        """None when the pod is over; a pod whose resources are `fixed` keeps those it has."""
        host, self._pod = self._host, pod
        granted = self._resizer.granted(pod, fixed)
        observed = host.pleg.get(pod.metadata.uid)
        status = self.reporter.report(pod, observed)
        if status.phase in TERMINAL:
            return None
        resets = restart_rules.resets(pod, observed, status)
        if resets:
            await self._take_away(resets, observed)
            return 0.0
        actions = plan(granted, observed, host.clock.now(), self._attempts.backoffs, self.prober.health())
        self._attempts.note_waiting(pod, actions)
        if self._remount and not await self._mount():
            return self._retries.next()
        self._retries.reset()
        if await self._resizer.resize(granted, observed):
            self.reporter.report(pod, observed)
        actions = self._attempts.without_held(actions)
        if actions.empty:
            return self._idle_for(actions)
        failed = await self._act(granted, actions, observed)
        after = await host.pleg.refresh(pod.metadata.uid)
        if failed:
            return self._attempts.hold_time
        return 0.0 if after != observed else UNCHANGED

    def _say(self, container: str, type: str, reason: str, message: str) -> None:
        starting.sayer(self._host, self._pod, container)(type, reason, message)

    def _idle_for(self, actions: PodActions) -> float:
        """Until the next thing that time alone brings about."""
        host = self._host
        times = [host.node.sync_period]
        if self._resizer.unfinished:
            times.append(RETRY)
        times += [max(0.01, entry.left.total_seconds()) for entry in actions.waiting]
        if self._attempts.held:
            times.append(self._attempts.hold_time)
        deadline = deadline_of(host, self._pod)
        if deadline is not None:
            times.append(max(0.01, (deadline - host.clock.now()).total_seconds()))
        self._remount = True
        return min(times)

    async def _mount(self) -> bool:
        """Volumes as they should be; what fails is told and tried again."""
        host, pod = self._host, self._pod
        if not host.runtime.runs_processes:
            return True
        host.objects.use(pod)
        self._remount = False
        host.volumes.make_directory(pod.metadata.uid)
        try:
            self._mounted = await host.volumes.mount_all(pod, host.volume_context)
        except VolumeError as error:
            host.recorder.event(pod, "Warning", "FailedMount", str(error))
            self._remount = True
            running = host.pleg.get(pod.metadata.uid).running
            return bool(running) and set(self._mounted) >= {volume.name for volume in pod.spec.volumes}
        return True

    async def _act(self, pod: Pod, actions: PodActions, observed: ObservedPod) -> bool:
        """Carries the plan out; answers whether anything could not be done."""
        host = self._host
        if actions.kill_pod:
            await killing.kill_pod(host, pod, observed, killing.grace_of(pod))
            return False
        await self._kill(pod, actions.kill, observed)
        for sandbox in actions.stop_sandboxes:
            await host.runtime.stop_sandbox(sandbox)
        if actions.create_sandbox:
            if actions.attempt and observed.sandboxes:
                message = "Pod sandbox changed, it will be killed and re-created."
                host.recorder.event(pod, "Normal", "SandboxChanged", message)
            return not await self._make_sandbox(pod, actions.attempt)
        return not await self._start(pod, actions.start, observed)

    async def _kill(self, pod: Pod, kills: tuple[Kill, ...], observed: ObservedPod) -> None:
        killings = []
        for kill in kills:
            found = next(container for container in observed.containers if container.id == kill.id)
            own = self.prober.probe_grace(kill.id)
            grace = killing.grace_of(pod) if own is None else own
            killings.append(killing.kill_container(self._host, pod, found, observed, grace, kill.message))
        await killing.together(killings)

    async def _take_away(self, resets: tuple[Reset, ...], observed: ObservedPod) -> None:
        """One after another, without grace; their logs stay."""
        host = self._host
        await self.reporter.told(self._pod)
        for reset in resets:
            if reset.kill:
                await killing.kill_container(host, self._pod, reset.container, observed, 0, "killing")
            await host.runtime.remove_container(reset.container.id)
        await host.pleg.refresh(self._pod.metadata.uid)

    async def _make_sandbox(self, pod: Pod, attempt: int) -> bool:
        cgroups, parent = self._host.cgroups, ""
        if cgroups is not None:
            parent = cgroups.make_pod(pod.metadata.uid, resources.qos_of(pod), resources.of_pod(pod))
        try:
            await starting.make_sandbox(self._host, pod, attempt, parent)
        except starting.SandboxFailure:
            self._attempts.failed_sandbox()
            return False
        return True

    async def _start(self, pod: Pod, starts: tuple[Start, ...], observed: ObservedPod) -> bool:
        ready = observed.ready_sandbox
        if not starts or ready is None:
            return True
        host = self._host
        if any(start.failed_at is not None for start in starts):
            await self.reporter.told(pod)
        parent = host.cgroups.path_of(pod.metadata.uid, resources.qos_of(pod)) if host.cgroups is not None else ""
        sandbox = sandbox_config(pod, host.node, ready.sandbox.attempt, host.resolver_of(pod), parent)
        done, told = True, host.statuses.get(pod.metadata.uid)
        for wanted in starts:
            count = max(wanted.restart_count, restart_rules.restarts_told(told, wanted.name))
            start = replace(wanted, restart_count=count)
            self._attempts.begun(start)
            self._resizer.starts(pod, start)
            try:
                await starting.start_container(host, pod, start, observed, self._mounted, sandbox)
                self._attempts.succeeded(start)
            except StartFailure as error:
                self._attempts.failed(start, Reason(error.reason, error.message))
                done = False
                self.reporter.report(self._pod, observed)
        return done


def deadline_of(host: Host, pod: Pod) -> datetime | None:
    """When the pod has been active for as long as it may."""
    seconds = pod.spec.active_deadline_seconds
    status = host.statuses.get(pod.metadata.uid)
    began = status.start_time if status is not None else pod.status.start_time
    return None if seconds is None or began is None else began + timedelta(seconds=seconds)
