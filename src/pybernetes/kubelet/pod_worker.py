"""One pod on this node, from its arrival to its end.

Guarantees  Everything is done one step after another: observe, report, plan, act, and again until the plan is
            empty. Containers that run as declared are never touched, so that a kubelet which has just started
            leaves them alone. The status comes from the runtime's report; the pod leaves the API only after nothing
            of it runs.
Follows     pkg/kubelet/pod_workers.go and pkg/kubelet/kubelet.go (SyncPod, SyncTerminatingPod, SyncTerminatedPod).
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod, PodCondition
from pybernetes.client import Unreachable

from . import image_volumes, killing, removal, resources, starting
from .attempts import RETRY, Attempts
from .cgroups import CgroupFailure
from .conditions import TERMINAL
from .container_config import sandbox_config
from .host import Host
from .image_manager import StartFailure
from .observed import ObservedPod
from .plan import Kill, PodActions, Start, plan
from .pod_states import NEXT, Signal, State
from .prober import Prober
from .resizer import RefuseResize, Resizer
from .runtime import RuntimeFailure
from .status import Reason, StatusContext, status_of
from .termination import message_of
from .volumes import Mounted, VolumeError

log = structlog.get_logger(__name__)

UNCHANGED = 1.0
EVICTED = "Evicted"
WAIT_FOR_REMOVAL = 15.0
QUICK_RETRY = 0.5
LONGEST_RETRY = 120.0


class PodWorker:
    """`update`, `remove` and `wake` may be called at any time; `run` does the work until the pod is gone."""

    def __init__(
        self, host: Host, pod: Pod, failure: Reason | None = None, refuse_resize: RefuseResize | None = None
    ) -> None:
        self.pod = pod
        self.state = State.SYNCING
        self.removed = False
        self._host = host
        self._failure = failure
        self._wake = asyncio.Event()
        self._attempts = Attempts(host.clock, self._say)
        self._mounted: dict[str, Mounted] = {}
        self._messages: dict[str, str] = {}
        self._killing: asyncio.Task[None] | None = None
        self._grace: int | None = None
        self._failures = 0
        self._remount = True
        self._resizer = Resizer(host, pod, refuse_resize or (lambda pod: None))
        self._prober = Prober(host.runtime, host.clock, host.random, self._say, self._wake.set)

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    def update(self, pod: Pod) -> None:
        """The pod as the API has it now."""
        before, self.pod = self.pod.metadata, pod
        after = pod.metadata
        if (before.generation, before.labels, before.annotations) != (
            after.generation,
            after.labels,
            after.annotations,
        ):
            self._look_again()
        self._host.statuses.seen(pod)
        self._wake.set()

    def remove(self) -> None:
        """The API does not know the pod any more: by force, or because we said that it is over."""
        self.removed = True
        self._wake.set()

    def evict(self, reason: Reason) -> None:
        """The node gives the pod up."""
        if self.state is State.SYNCING and self._failure is None:
            self._failure = reason
            self._host.recorder.event(self.pod, "Warning", reason.reason, reason.message)
            self._wake.set()

    def wake(self) -> None:
        self._wake.set()

    def refresh_volumes(self) -> None:
        self._look_again()
        self._wake.set()

    def _look_again(self) -> None:
        self._remount = True
        self._attempts.release()

    def _say(self, container: str, type: str, reason: str, message: str) -> None:
        starting.sayer(self._host, self.pod, container)(type, reason, message)

    def _signal(self, signal: Signal) -> None:
        self.state = NEXT[self.state, signal]
        self._failures = 0

    async def run(self) -> None:
        try:
            while self.state is not State.GONE:
                self._wake.clear()
                delay = await self._guarded_step()
                if delay > 0:
                    await self._wait(delay)
        finally:
            self._prober.close()
            if self._killing is not None:
                self._killing.cancel()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    async def _guarded_step(self) -> float:
        """One step; what the outside refuses is tried again, later each time."""
        try:
            delay = await self._step()
        except (RuntimeFailure, ApiError, Unreachable, CgroupFailure, VolumeError, OSError) as error:
            metadata = self.pod.metadata
            log.warning("pod sync failed", pod=metadata.name, namespace=metadata.namespace, error=str(error))
            if isinstance(error, RuntimeFailure):
                self._host.recorder.event(self.pod, "Warning", "FailedSync", f"error syncing pod: {error}")
            return self._next_retry()
        return delay

    async def _step(self) -> float:
        """Answers how long to wait for the next one when nothing happens; 0 is at once."""
        match self.state:
            case State.SYNCING:
                return await self._sync()
            case State.TERMINATING:
                return await self._terminate()
            case State.TERMINATED:
                return await self._clean()
            case State.FINISHED:
                return await self._finish()
        return 0.0

    # ---- SYNCING

    async def _sync(self) -> float:
        if self._must_stop():
            self._signal(Signal.STOP)
            return 0.0
        host, pod = self._host, self._granted()
        observed = host.pleg.get(self.uid)
        if host.runtime.runs_processes:
            self._prober.follow(pod, observed)
        actions = plan(pod, observed, host.clock.now(), self._attempts.backoffs, self._prober.health())
        self._attempts.note_waiting(self.pod, actions)
        if self._report(observed) in TERMINAL:
            self._signal(Signal.STOP)
            return 0.0
        if self._remount and not await self._mount():
            return self._next_retry()
        self._failures = 0
        if await self._resizer.resize(pod, observed):
            self._report(observed)
        actions = self._attempts.without_held(actions)
        if actions.empty:
            return self._idle_for(actions)
        failed = await self._act(actions, observed)
        after = await host.pleg.refresh(self.uid)
        if failed:
            return self._attempts.hold_time
        return 0.0 if after != observed else UNCHANGED

    def _granted(self) -> Pod:
        """The pod with the resources that the node has granted it."""
        fixed = self.removed or self.pod.metadata.deletion_timestamp is not None
        return self._resizer.granted(self.pod, fixed)

    def _must_stop(self) -> bool:
        pod, now = self.pod, self._host.clock.now()
        if self.removed or pod.metadata.deletion_timestamp is not None or self._failure is not None:
            return True
        if pod.status.phase in TERMINAL:
            return True
        deadline = pod.spec.active_deadline_seconds
        status = self._host.statuses.get(self.uid)
        began = status.start_time if status is not None else pod.status.start_time
        if deadline is None or began is None or now < began + timedelta(seconds=deadline):
            return False
        message = "Pod was active on the node longer than the specified deadline"
        self._failure = Reason("DeadlineExceeded", message)
        self._host.recorder.event(pod, "Normal", "DeadlineExceeded", message)
        return True

    def _idle_for(self, actions: PodActions) -> float:
        """Until the next thing that time alone brings about."""
        times = [self._host.node.sync_period]
        if self._resizer.unfinished:
            times.append(RETRY)
        times += [max(0.01, entry.left.total_seconds()) for entry in actions.waiting]
        if self._attempts.held:
            times.append(self._attempts.hold_time)
        deadline = self.pod.spec.active_deadline_seconds
        status = self._host.statuses.get(self.uid)
        if deadline is not None and status is not None and status.start_time is not None:
            left = status.start_time + timedelta(seconds=deadline) - self._host.clock.now()
            times.append(max(0.01, left.total_seconds()))
        self._remount = True
        return min(times)

    def _next_retry(self) -> float:
        self._failures += 1
        return min(LONGEST_RETRY, QUICK_RETRY * 2.0 ** min(self._failures - 1, 10))

    async def _mount(self) -> bool:
        """Volumes as they should be; what fails is told and tried again."""
        host, pod = self._host, self.pod
        if not host.runtime.runs_processes:
            return True
        host.objects.use(pod)
        self._remount = False
        host.volumes.make_directory(self.uid)
        try:
            self._mounted = await host.volumes.mount_all(pod, host.volume_context)
        except VolumeError as error:
            host.recorder.event(pod, "Warning", "FailedMount", str(error))
            self._remount = True
            running = host.pleg.get(self.uid).running
            return bool(running) and set(self._mounted) >= {volume.name for volume in pod.spec.volumes}
        return True

    async def _act(self, actions: PodActions, observed: ObservedPod) -> bool:
        """Carries the plan out; answers whether anything could not be done."""
        if actions.kill_pod:
            await killing.kill_pod(self._host, self.pod, observed, killing.grace_of(self.pod))
            return False
        await self._kill(actions.kill, observed)
        for sandbox in actions.stop_sandboxes:
            await self._host.runtime.stop_sandbox(sandbox)
        if actions.create_sandbox:
            if actions.attempt and observed.sandboxes:
                message = "Pod sandbox changed, it will be killed and re-created."
                self._host.recorder.event(self.pod, "Normal", "SandboxChanged", message)
            return not await self._make_sandbox(actions.attempt)
        return not await self._start(actions.start, observed)

    async def _kill(self, kills: tuple[Kill, ...], observed: ObservedPod) -> None:
        killings = []
        for kill in kills:
            found = next(container for container in observed.containers if container.id == kill.id)
            own = self._prober.probe_grace(kill.id)
            grace = killing.grace_of(self.pod) if own is None else own
            killings.append(killing.kill_container(self._host, self.pod, found, observed, grace, kill.message))
        await killing.together(killings)

    async def _make_sandbox(self, attempt: int) -> bool:
        try:
            await starting.make_sandbox(self._host, self.pod, attempt, self._cgroup())
        except starting.SandboxFailure:
            self._attempts.failed_sandbox()
            return False
        return True

    def _cgroup(self) -> str:
        """The pod's control group, made and set."""
        cgroups = self._host.cgroups
        if cgroups is None:
            return ""
        return cgroups.make_pod(self.uid, resources.qos_of(self.pod), resources.of_pod(self._granted()))

    async def _start(self, starts: tuple[Start, ...], observed: ObservedPod) -> bool:
        ready = observed.ready_sandbox
        if not starts or ready is None:
            return True
        host, pod = self._host, self._granted()
        parent = host.cgroups.path_of(self.uid, resources.qos_of(pod)) if host.cgroups is not None else ""
        sandbox = sandbox_config(pod, host.node, ready.sandbox.attempt, host.resolver_of(pod), parent)
        done = True
        for start in starts:
            self._attempts.begun(start)
            self._resizer.starts(pod, start)
            try:
                await starting.start_container(host, pod, start, observed, self._mounted, sandbox)
                self._attempts.succeeded(start)
            except StartFailure as error:
                self._attempts.failed(start, Reason(error.reason, error.message))
                done = False
                self._report(observed)
        return done

    # ---- reporting

    def _report(self, observed: ObservedPod, ended: bool = False) -> str:
        """Tells the API what the runtime reports; answers the phase."""
        host = self._host
        for container in observed.containers:
            if container.exited and container.id not in self._messages:
                self._messages[container.id] = message_of(container.status) if host.runtime.runs_processes else ""
        if host.runtime.runs_processes:
            self._prober.follow(self.pod, observed)
            ready, started = self._prober.ready(), self._prober.started()
        else:
            ready = started = frozenset(container.id for container in observed.running)
        context = StatusContext(
            now=host.clock.now().replace(microsecond=0),
            host_ips=host.node.addresses,
            runtime_name=host.runtime_name,
            reasons=self._attempts.reasons,
            ready=ready,
            started=started,
            messages=self._messages,
            ended=ended,
            more=[*self._resizer.conditions(self.pod), *self._disruption()],
            failure=self._failure,
            share=self._resizer.share,
            old=host.statuses.get(self.uid),
        )
        status = status_of(self._resizer.as_granted(self.pod), observed, context)
        if not self.removed:
            host.statuses.set(self.pod, status)
        return status.phase

    def _disruption(self) -> list[PodCondition]:
        """An eviction counts as a disruption, which a job need not hold against its pods."""
        if self._failure is None or self._failure.reason != EVICTED:
            return []
        return [
            PodCondition(
                type="DisruptionTarget",
                status="True",
                reason="TerminationByKubelet",
                message=self._failure.message,
            )
        ]

    # ---- TERMINATING

    async def _terminate(self) -> float:
        host = self._host
        self._prober.stop_liveness()
        observed = host.pleg.get(self.uid)
        self._report(observed)
        grace = self._wanted_grace()
        if self._killing is not None and (self._grace is None or grace < self._grace):
            self._killing.cancel()
            self._killing = None
        if self._killing is None:
            self._grace = grace
            observed = await host.pleg.refresh(self.uid)
            name = f"kill {self.pod.metadata.name}"
            self._killing = asyncio.create_task(killing.kill_pod(host, self.pod, observed, grace), name=name)
            self._killing.add_done_callback(lambda task: self._wake.set())
        if not self._killing.done():
            await asyncio.sleep(0)
            return 0.0 if self._killing.done() else host.node.sync_period
        finished, self._killing = self._killing, None
        if not finished.cancelled() and (problem := finished.exception()) is not None:
            raise problem
        observed = await host.pleg.refresh(self.uid)
        if observed.alive:
            return 1.0
        self._report(observed, ended=True)
        self._signal(Signal.STOPPED)
        return 0.0

    def _wanted_grace(self) -> int:
        if self.removed and self.pod.metadata.deletion_timestamp is None:
            return killing.MINIMUM_GRACE
        if self.removed:
            return min(killing.MINIMUM_GRACE, killing.grace_of(self.pod))
        return killing.grace_of(self.pod)

    # ---- TERMINATED and FINISHED

    async def _clean(self) -> float:
        host = self._host
        self._prober.close()
        host.objects.release(self.uid)
        host.tokens.forget(self.uid)
        host.images.forget(self.uid)
        await image_volumes.tear_down(host, self.uid)
        if host.cgroups is not None and not host.cgroups.remove_pod(self.uid):
            return 0.2
        self._signal(Signal.CLEANED)
        return 0.0

    async def _finish(self) -> float:
        host, metadata = self._host, self.pod.metadata
        if not self.removed:
            await host.statuses.flush(self.uid)
            if metadata.deletion_timestamp is None:
                return 3600.0
            if metadata.deletion_grace_period_seconds != 0 or not metadata.finalizers:
                await self._delete()
            if not self.removed:
                return WAIT_FOR_REMOVAL
        await removal.remove_pod(host, self.uid, metadata.namespace, metadata.name)
        host.statuses.forget(self.uid)
        self._signal(Signal.REMOVED)
        return 0.0

    async def _delete(self) -> None:
        """The pod is over: the API may forget it. Finalizers of others may keep it there for a while."""
        metadata = self.pod.metadata
        try:
            await self._host.client.delete(Pod, metadata.name, metadata.namespace, grace_period=0, uid=metadata.uid)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
