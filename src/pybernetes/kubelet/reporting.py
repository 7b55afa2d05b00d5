"""Telling the API how one pod is, from what the runtime reports.

Guarantees  A container's termination message is read once. Nothing is told of a pod that the API does not know.
Follows     pkg/kubelet/kubelet_pods.go (generateAPIPodStatus).
"""

from __future__ import annotations

from pybernetes.api.models.core_v1 import Pod, PodCondition, PodStatus

from .attempts import Attempts
from .host import Host
from .observed import ObservedPod
from .prober import Prober
from .resizer import Resizer
from .status import status_of
from .status_context import Reason, StatusContext
from .termination import message_of

EVICTED = "Evicted"
PATIENCE = 1.0


class Reporter:
    """`failure` is why the node has given the pod up; `muted` says that there is nobody to tell."""

    def __init__(self, host: Host, prober: Prober, attempts: Attempts, resizer: Resizer) -> None:
        self.failure: Reason | None = None
        self.muted = False
        self.last = ObservedPod("")
        self._host = host
        self._prober = prober
        self._attempts = attempts
        self._resizer = resizer
        self._messages: dict[str, str] = {}

    def report(self, pod: Pod, observed: ObservedPod, *, ended: bool = False) -> PodStatus:
        """Has the status written soon, and answers it."""
        host = self._host
        self.last = observed
        for container in observed.containers:
            if container.exited and container.id not in self._messages:
                self._messages[container.id] = message_of(container.status) if host.runtime.runs_processes else ""
        if host.runtime.runs_processes:
            self._prober.follow(pod, observed)
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
            more=[*self._resizer.conditions(pod), *self._disruption()],
            failure=self.failure,
            recursive_read_only=bool(host.handler(observed.handler).recursive_read_only),
            share=self._resizer.share,
            old=host.statuses.get(pod.metadata.uid),
        )
        status = status_of(self._resizer.as_granted(pod), observed, context)
        if not self.muted:
            host.statuses.set(pod, status)
        return status

    async def told(self, pod: Pod) -> None:
        """Returns once the API shows what was reported last; one that does not answer is not waited for long."""
        if not self.muted:
            await self._host.statuses.flush_within(pod.metadata.uid, PATIENCE)

    def _disruption(self) -> list[PodCondition]:
        """An eviction counts as a disruption, which a job need not hold against its pods."""
        if self.failure is None or self.failure.reason != EVICTED:
            return []
        return [
            PodCondition(
                type="DisruptionTarget", status="True", reason="TerminationByKubelet", message=self.failure.message
            )
        ]
