"""How a pod reads in `kubectl get pods`.

Follows printPod in pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pybernetes.apiserver.columns import AGE, NAME, NONE, since
from pybernetes.apiserver.resource import Column, Document

_TERMINAL = ("Succeeded", "Failed")


@dataclass(slots=True)
class Summary:
    ready: int
    total: int
    reason: str
    restarts: int
    last_restart: str

    def count(self, status: Document) -> None:
        self.restarts += status.get("restartCount", 0)
        last = (status.get("lastState") or {}).get("terminated") or {}
        self.last_restart = max(self.last_restart, last.get("finishedAt") or "")


def summarize(pod: Document) -> Summary:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    phase = status.get("phase", "")
    summary = Summary(0, len(spec.get("containers") or ()), status.get("reason") or phase, 0, "")
    conditions: Mapping[str, Document] = {one.get("type", ""): one for one in status.get("conditions") or ()}
    if conditions.get("PodScheduled", {}).get("reason") == "SchedulingGated":
        summary.reason = "SchedulingGated"
    sidecars = {one["name"] for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"}
    summary.total += len(sidecars)
    initializing = _read_init_containers(summary, spec, status, sidecars)
    if not initializing or conditions.get("Initialized", {}).get("status") == "True":
        summary.restarts, summary.last_restart = 0, ""
        for container in status.get("initContainerStatuses") or ():
            if container.get("name") in sidecars:
                summary.count(container)
        _read_containers(summary, status, is_ready=conditions.get("Ready", {}).get("status") == "True")
    if pod["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            summary.reason = "Unknown"
        elif phase not in _TERMINAL:
            summary.reason = "Terminating"
    return summary


def _read_init_containers(summary: Summary, spec: Document, status: Document, sidecars: set[str]) -> bool:
    """Whether the pod is still initializing."""
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        summary.count(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if container.get("name") in sidecars and container.get("started"):
            summary.ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            summary.reason = f"Init:{_ending(terminated)}"
        elif waiting.get("reason") and waiting["reason"] != "PodInitializing":
            summary.reason = f"Init:{waiting['reason']}"
        else:
            summary.reason = f"Init:{index}/{len(spec.get('initContainers') or ())}"
        return True
    return False


def _read_containers(summary: Summary, status: Document, *, is_ready: bool) -> None:
    has_running = False
    for container in reversed(status.get("containerStatuses") or ()):
        summary.count(container)
        state = container.get("state") or {}
        terminated, waiting = state.get("terminated"), state.get("waiting") or {}
        if waiting.get("reason"):
            summary.reason = waiting["reason"]
        elif terminated is not None:
            summary.reason = _ending(terminated)
        elif container.get("ready") and "running" in state:
            has_running = True
            summary.ready += 1
    if summary.reason == "Completed" and has_running:
        summary.reason = "Running" if is_ready else "NotReady"


def _ending(terminated: Document) -> str:
    if terminated.get("reason"):
        reason: str = terminated["reason"]
        return reason
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _ready(pod: Document, now: datetime) -> str:
    summary = summarize(pod)
    return f"{summary.ready}/{summary.total}"


def _restarts(pod: Document, now: datetime) -> str:
    summary = summarize(pod)
    if summary.restarts and summary.last_restart:
        return f"{summary.restarts} ({since(summary.last_restart, now)} ago)"
    return str(summary.restarts)


def _ips(pod: Document, now: datetime) -> str:
    status = pod.get("status") or {}
    addresses: Sequence[Document] = status.get("podIPs") or ()
    return (addresses[0].get("ip") if addresses else status.get("podIP")) or NONE


def _gates(pod: Document, now: datetime) -> str:
    gates = (pod.get("spec") or {}).get("readinessGates") or ()
    if not gates:
        return NONE
    true = set(_true_conditions(pod))
    return f"{sum(gate.get('conditionType') in true for gate in gates)}/{len(gates)}"


def _true_conditions(pod: Document) -> Iterator[str]:
    for condition in (pod.get("status") or {}).get("conditions") or ():
        if condition.get("status") == "True":
            yield condition.get("type", "")


POD_COLUMNS = (
    NAME,
    Column("Ready", _ready),
    Column("Status", lambda pod, now: summarize(pod).reason),
    Column("Restarts", _restarts),
    AGE,
    Column("IP", _ips, priority=1),
    Column("Node", lambda pod, now: (pod.get("spec") or {}).get("nodeName") or NONE, priority=1),
    Column("Nominated Node", lambda pod, now: (pod.get("status") or {}).get("nominatedNodeName") or NONE, priority=1),
    Column("Readiness Gates", _gates, priority=1),
)
