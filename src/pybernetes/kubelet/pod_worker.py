"""One pod on this node, from its arrival to its end.

Guarantees  Everything is done one step after another. The status comes from the runtime's report; the pod leaves the
            API only after nothing of it runs. What others write into the pod's status is no reason to look at it.
Follows     pkg/kubelet/pod_workers.go and pkg/kubelet/kubelet.go (SyncTerminatingPod, SyncTerminatedPod).
"""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod
from pybernetes.client import Unreachable

from . import image_volumes, killing, removal
from .attempts import Retries
from .cgroups import CgroupFailure
from .conditions import TERMINAL
from .host import Host
from .pod_states import NEXT, Signal, State
from .pod_sync import PodSync, deadline_of
from .resizer import RefuseResize
from .runtime import RuntimeFailure
from .status_context import Reason
from .volumes import VolumeError

log = structlog.get_logger(__name__)

WAIT_FOR_REMOVAL = 15.0


class PodWorker:
    """`update`, `remove` and `wake` may be called at any time; `run` does the work until the pod is gone."""

    def __init__(
        self, host: Host, pod: Pod, failure: Reason | None = None, refuse_resize: RefuseResize | None = None
    ) -> None:
        self.pod = pod
        self.state = State.SYNCING
        self.removed = False
        self._host = host
        self._wake = asyncio.Event()
        self._killing: asyncio.Task[None] | None = None
        self._grace: int | None = None
        self._retries = Retries()
        self._sync = PodSync(host, pod, self._retries, refuse_resize or (lambda pod: None), self._wake.set)
        self._reporter = self._sync.reporter
        self._reporter.failure = failure

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    def update(self, pod: Pod) -> None:
        """The pod as the API has it now."""
        before, self.pod = self.pod, pod
        if _made_from(before) != _made_from(pod):
            self._sync.look_again()
        self._host.statuses.seen(pod)
        if _calls_for(before) != _calls_for(pod):
            self._wake.set()

    def remove(self) -> None:
        """The API does not know the pod any more: by force, or because we said that it is over."""
        self.removed = self._reporter.muted = True
        self._wake.set()

    def evict(self, reason: Reason) -> None:
        """The node gives the pod up."""
        if self.state is State.SYNCING and self._reporter.failure is None:
            self._reporter.failure = reason
            self._host.recorder.event(self.pod, "Warning", reason.reason, reason.message)
            self._wake.set()

    def wake(self) -> None:
        """The runtime has been heard of the pod: what is new is looked at."""
        if self._host.pleg.get(self.uid).tells_more_than(self._reporter.last):
            self._wake.set()

    def refresh_volumes(self) -> None:
        self._sync.look_again()
        self._wake.set()

    def _signal(self, signal: Signal) -> None:
        self.state = NEXT[self.state, signal]
        self._retries.reset()

    async def run(self) -> None:
        try:
            while self.state is not State.GONE:
                self._wake.clear()
                delay = await self._guarded_step()
                if delay > 0:
                    await self._wait(delay)
        finally:
            self._sync.prober.close()
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
            return self._retries.next()
        return delay

    async def _step(self) -> float:
        """Answers how long to wait for the next one when nothing happens; 0 is at once."""
        match self.state:
            case State.SYNCING:
                return await self._live()
            case State.TERMINATING:
                return await self._terminate()
            case State.TERMINATED:
                return await self._clean()
            case State.FINISHED:
                return await self._finish()
        return 0.0

    # ---- SYNCING

    async def _live(self) -> float:
        if not self._must_stop():
            fixed = self.removed or self.pod.metadata.deletion_timestamp is not None
            delay = await self._sync.step(self.pod, fixed=fixed)
            if delay is not None:
                return delay
        self._signal(Signal.STOP)
        return 0.0

    def _must_stop(self) -> bool:
        pod = self.pod
        if self.removed or pod.metadata.deletion_timestamp is not None or self._reporter.failure is not None:
            return True
        if pod.status.phase in TERMINAL:
            return True
        deadline = deadline_of(self._host, pod)
        if deadline is None or self._host.clock.now() < deadline:
            return False
        message = "Pod was active on the node longer than the specified deadline"
        self._reporter.failure = Reason("DeadlineExceeded", message)
        self._host.recorder.event(pod, "Normal", "DeadlineExceeded", message)
        return True

    # ---- TERMINATING

    async def _terminate(self) -> float:
        host = self._host
        self._sync.prober.stop_liveness()
        observed = host.pleg.get(self.uid)
        self._reporter.report(self.pod, observed)
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
        self._reporter.report(self.pod, observed, ended=True)
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
        self._sync.prober.close()
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


def _made_from(pod: Pod) -> Any:
    """What a change of lets containers that could not be made be made after all."""
    metadata = pod.metadata
    return metadata.generation, metadata.labels, metadata.annotations


def _calls_for(pod: Pod) -> Any:
    """What a change of is a reason to look at the pod: all but its status, save what others say there of it."""
    metadata, status = pod.metadata, pod.status
    gates = {gate.condition_type for gate in pod.spec.readiness_gates}
    return (
        _made_from(pod),
        metadata.deletion_timestamp,
        metadata.deletion_grace_period_seconds,
        metadata.finalizers,
        status.phase in TERMINAL,
        [(condition.type, condition.status) for condition in status.conditions if condition.type in gates],
    )
