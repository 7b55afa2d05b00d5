"""Node lifecycle: what the cluster makes of a node that reports trouble, or no longer reports.

Guarantees
  A node whose lease was not renewed for the grace period has its conditions set to Unknown.
  A node's taints say what its conditions say: NoSchedule for each trouble, NoExecute when it is not ready.
  Pods of a node that is not ready are marked not ready. Deleting them is left to `tainteviction`.
Assumes  The time of a renewal is when this controller saw it: clocks of nodes are not trusted.
Eviction rates by zone are not built yet: every node is treated alike.
Follows pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import coordination_v1, core_v1
from pybernetes.client.events import NORMAL, WARNING
from pybernetes.controllers.controller import DONE, Context, Controller, For, Reads, Requeue, Result
from pybernetes.controllers.pods import is_ready

GRACE_PERIOD = 50.0
STARTUP_GRACE_PERIOD = 60.0
LEASE_NAMESPACE = "kube-node-lease"
ON_NODE = "node-name"
"""The index of pods by the node they are on."""

_TAINT_PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE, UNSCHEDULABLE = (_TAINT_PREFIX + name for name in ("not-ready", "unreachable", "unschedulable"))
_PRESSURES = {
    "MemoryPressure": _TAINT_PREFIX + "memory-pressure",
    "DiskPressure": _TAINT_PREFIX + "disk-pressure",
    "PIDPressure": _TAINT_PREFIX + "pid-pressure",
    "NetworkUnavailable": _TAINT_PREFIX + "network-unavailable",
}
_MANAGED = frozenset((NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_PRESSURES.values()))
_HEARTBEAT_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")


@dataclass(frozen=True, slots=True)
class Plan:
    """`conditions` and `taints` are None when they are right already."""

    conditions: list[core_v1.NodeCondition] | None
    taints: list[core_v1.Taint] | None
    ready: bool


def plan(node: core_v1.Node, *, silent: bool, now: datetime) -> Plan:
    """`silent`: the node has not been heard of for the grace period."""
    conditions = _unknown_conditions(node, now) if silent else list(node.status.conditions)
    taints = wanted_taints(node, conditions, now)
    ready = next((one.status for one in conditions if one.type == "Ready"), "Unknown")
    return Plan(
        conditions=conditions if conditions != node.status.conditions else None,
        taints=taints if taints != node.spec.taints else None,
        ready=ready == "True",
    )


def _unknown_conditions(node: core_v1.Node, now: datetime) -> list[core_v1.NodeCondition]:
    known = {one.type: one for one in node.status.conditions}
    for kind in _HEARTBEAT_CONDITIONS:
        old = known.get(kind)
        if old is None:
            reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
            known[kind] = core_v1.NodeCondition(
                type=kind, status="Unknown", reason=reason, message=message, last_transition_time=now
            )
        elif old.status != "Unknown":
            known[kind] = msgspec.structs.replace(
                old,
                status="Unknown",
                reason="NodeStatusUnknown",
                message="Kubelet stopped posting node status.",
                last_transition_time=now,
            )
    return list(known.values())


def wanted_taints(
    node: core_v1.Node, conditions: Sequence[core_v1.NodeCondition], now: datetime
) -> list[core_v1.Taint]:
    """Taints of others stay as they are; those of this controller follow the conditions."""
    kept = [one for one in node.spec.taints if one.key not in _MANAGED]
    present = {(one.key, one.effect): one for one in node.spec.taints}
    wanted = []
    for key, effect in _managed_taints(node, conditions):
        added = now if effect == "NoExecute" else None
        wanted.append(present.get((key, effect)) or core_v1.Taint(key=key, effect=effect, time_added=added))
    ours = [one for one in node.spec.taints if one.key in _MANAGED]
    if sorted(map(_identity, ours)) == sorted(map(_identity, wanted)):
        return node.spec.taints
    return [*kept, *wanted]


def _managed_taints(node: core_v1.Node, conditions: Sequence[core_v1.NodeCondition]) -> Iterable[tuple[str, str]]:
    status = {one.type: one.status for one in conditions}
    ready = status.get("Ready", "Unknown")
    if ready != "True":
        key = NOT_READY if ready == "False" else UNREACHABLE
        yield key, "NoSchedule"
        yield key, "NoExecute"
    for kind, key in _PRESSURES.items():
        if status.get(kind) == "True":
            yield key, "NoSchedule"
    if node.spec.unschedulable:
        yield UNSCHEDULABLE, "NoSchedule"


def _identity(taint: core_v1.Taint) -> tuple[str, str]:
    return taint.key, taint.effect


def node_name(pod: core_v1.Pod) -> Iterable[str]:
    return (pod.spec.node_name,) if pod.spec.node_name else ()


@dataclass(slots=True)
class _Heartbeat:
    """What was last heard of a node, and when by this controller's clock."""

    renewed: str
    heard: float
    grace: float = GRACE_PERIOD


class NodeLifecycleController(Controller):
    name = "node-lifecycle-controller"
    watches = (For(core_v1.Node), Reads(core_v1.Pod))

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(core_v1.Node)
        self.leases = context.informers.get(coordination_v1.Lease, namespace=LEASE_NAMESPACE)
        self.informers.append(self.leases)
        self.pods = self.informer(core_v1.Pod)
        self.pods.add_index(ON_NODE, node_name)
        self._heartbeats: dict[str, _Heartbeat] = {}

    async def reconcile(self, key: Key) -> Result:
        node = self.nodes.get(key)
        if node is None:
            self._heartbeats.pop(key.name, None)
            return DONE
        remaining = self._seconds_until_silent(node)
        planned = plan(node, silent=remaining <= 0, now=self.now())
        await self._apply(node, planned)
        # Once silent, only a renewed lease can change that: look for one as often as it is due.
        return Requeue(remaining if remaining > 0 else GRACE_PERIOD / 5)

    def _seconds_until_silent(self, node: core_v1.Node) -> float:
        name, now = node.metadata.name, self.clock.monotonic()
        lease = self.leases.get(Key(LEASE_NAMESPACE, name))
        heartbeats = [one.last_heartbeat_time for one in node.status.conditions if one.last_heartbeat_time]
        renewed = f"{lease.spec.renew_time if lease else ''}/{max(heartbeats, default='')}"
        heartbeat = self._heartbeats.get(name)
        if heartbeat is None:
            heartbeat = self._heartbeats[name] = _Heartbeat(renewed, now, STARTUP_GRACE_PERIOD)
        elif heartbeat.renewed != renewed:
            heartbeat = self._heartbeats[name] = _Heartbeat(renewed, now)
        return heartbeat.grace - (now - heartbeat.heard)

    async def _apply(self, node: core_v1.Node, planned: Plan) -> None:
        was_ready = meta.is_true(node.status, "Ready")
        if planned.conditions is not None:
            status = msgspec.structs.replace(node.status, conditions=planned.conditions)
            node = await self.client.update_status(msgspec.structs.replace(node, status=status))
        if planned.taints is not None:
            spec = msgspec.structs.replace(node.spec, taints=planned.taints)
            await self.client.update(msgspec.structs.replace(node, spec=spec))
        if was_ready and not planned.ready:
            name = node.metadata.name
            self.recorder.event(node, NORMAL, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        if not planned.ready:
            for pod in self.pods.by_index(ON_NODE, node.metadata.name):
                await self._mark_not_ready(pod)

    async def _mark_not_ready(self, pod: core_v1.Pod) -> None:
        if not is_ready(pod):
            return
        conditions = [
            msgspec.structs.replace(one, status="False", last_transition_time=self.now())
            if one.type == "Ready"
            else one
            for one in pod.status.conditions
        ]
        status = msgspec.structs.replace(pod.status, conditions=conditions)
        self.recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")
        try:
            await self.client.update_status(msgspec.structs.replace(pod, status=status))
        except ApiError as error:
            if error.code != 404:
                raise
