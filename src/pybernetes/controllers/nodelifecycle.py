"""Node lifecycle: what the cluster makes of a node that reports trouble, or no longer reports.

Guarantees
  A node of which nothing was heard for the grace period has its conditions set to Unknown, and its pods are marked not
  ready. What was heard is a renewed lease or a reported condition Ready.
  A node's NoSchedule taints say at once what its conditions say. The NoExecute taint of a node that is down comes at
  the pace of its zone (`node_zones`) and goes at once; deleting the pods is left to `tainteviction`.
  Nodes labelled node.kubernetes.io/exclude-disruption do not count when the state of their zone is judged.
Assumes  The time of a renewal is when this controller saw it: clocks of nodes are not trusted.
Follows pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api import codec, meta
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import coordination_v1, core_v1
from pybernetes.client.events import NORMAL, WARNING, Reference
from pybernetes.controllers.controller import DONE, Context, Controller, For, Maps, Requeue, Result
from pybernetes.controllers.node_conditions import EXECUTION_TAINT, executed, plan, spared
from pybernetes.controllers.node_zones import Pace, Zone, ZoneState, disruption
from pybernetes.controllers.pods import is_ready

GRACE_PERIOD = 50.0
STARTUP_GRACE_PERIOD = 60.0
MONITOR_PERIOD = 5.0
ZONES_PERIOD = 0.1
"""Nodes that fail together are to be seen together before the first of them loses its pods."""
LEASE_NAMESPACE = "kube-node-lease"
ON_NODE = "node-name"
"""The index of pods by the node they are on."""
EXCLUDED = "node.kubernetes.io/exclude-disruption"
ZONES = Key("zones", "")
"""Not a node: the pass that looks at all nodes by zone."""


def node_name(pod: core_v1.Pod) -> Iterable[str]:
    return (pod.spec.node_name,) if pod.spec.node_name else ()


def lost_node_of(controller: Controller, pod: core_v1.Pod) -> Iterable[Key]:
    """A pod that says it is ready on a node that does not answer."""
    if not pod.spec.node_name or not is_ready(pod):
        return ()
    key = Key("", pod.spec.node_name)
    node = controller.informer(core_v1.Node).get(key)
    return (key,) if node is not None and _ready_status(node) == "Unknown" else ()


@dataclass(frozen=True, slots=True)
class _Counted:
    """All that matters about a node to the state of its zone."""

    zone: Zone
    ready: str | None
    is_excluded: bool

    @classmethod
    def of(cls, node: core_v1.Node) -> _Counted:
        return cls(Zone.of(node), _ready_status(node), EXCLUDED in node.metadata.labels)


class NodeLifecycleController(Controller):
    name = "node-lifecycle-controller"
    component = "node-controller"
    watches = (For(core_v1.Node), Maps(core_v1.Pod, lost_node_of))

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.nodes = self.informer(core_v1.Node)
        self.leases = context.informers.get(coordination_v1.Lease, namespace=LEASE_NAMESPACE)
        self.informers.append(self.leases)
        self.leases.on_change(self._lease_changed)
        self.pods = self.informer(core_v1.Pod)
        self.pods.add_index(ON_NODE, node_name)
        self._heard: dict[str, float] = {}
        self._reported: dict[str, core_v1.NodeCondition | None] = {}
        self._known: dict[str, str] = {}
        self._counted: dict[str, _Counted] = {}
        self._down: dict[str, None] = {}
        self._states: dict[Zone, ZoneState] = {}
        self._paces: dict[Zone, Pace] = {}

    async def reconcile(self, key: Key) -> Result:
        if key == ZONES:
            return await self._look_at_zones()
        node = self.nodes.get(key)
        if node is None:
            self._let_go(key.name)
            self.queue.add_after(ZONES, ZONES_PERIOD)
            return DONE
        self._welcome(node)
        counted = _Counted.of(node)
        if self._counted.get(key.name) != counted:
            self._counted[key.name] = counted
            self.queue.add_after(ZONES, ZONES_PERIOD)
        remaining = self._seconds_until_silent(node)
        await self._apply(node, silent=remaining <= 0)
        return Requeue(remaining if remaining > 0 else MONITOR_PERIOD)

    def _welcome(self, node: core_v1.Node) -> None:
        name, uid = node.metadata.name, node.metadata.uid
        if self._known.get(name) != uid:
            self._let_go(name)
            self._known[name] = uid
            self._tell(name, uid, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")

    def _let_go(self, name: str) -> None:
        uid = self._known.pop(name, None)
        for memory in (self._heard, self._reported, self._down, self._counted):
            memory.pop(name, None)
        if uid is not None:
            self._tell(name, uid, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")

    def _tell(self, name: str, uid: str, reason: str, message: str) -> None:
        self.recorder.event(Reference("v1", "Node", "", name, uid), NORMAL, reason, message)

    def _lease_changed(self, old: coordination_v1.Lease | None, new: coordination_v1.Lease | None) -> None:
        if new is None or new.metadata.name not in self._heard:
            return
        renewed = new.spec.renew_time or ""
        if old is None or renewed > (old.spec.renew_time or ""):
            self._heard[new.metadata.name] = self.clock.monotonic()

    def _seconds_until_silent(self, node: core_v1.Node) -> float:
        name, now = node.metadata.name, self.clock.monotonic()
        ready = meta.condition(node.status, "Ready")
        grace = STARTUP_GRACE_PERIOD if ready is None else GRACE_PERIOD
        if name not in self._heard:
            created, lease = node.metadata.creation_timestamp, self.leases.get(Key(LEASE_NAMESPACE, name))
            self._heard[name] = now
            if ready is None and lease is None and created is not None:
                self._heard[name] -= (self.clock.now() - created).total_seconds()
        elif _heartbeat(self._reported.get(name)) != _heartbeat(ready):
            self._heard[name] = now
        self._reported[name] = ready
        return grace - (now - self._heard[name])

    async def _apply(self, node: core_v1.Node, *, silent: bool) -> None:
        planned = plan(node, silent=silent, now=self.now())
        was_ready, name = _ready_status(node) == "True", node.metadata.name
        if planned.conditions is not None:
            status = msgspec.structs.replace(node.status, conditions=planned.conditions)
            node = await self.client.update_status(msgspec.structs.replace(node, status=status))
            self._reported[name] = meta.condition(node.status, "Ready")
        if planned.taints is not None:
            await self._set_taints(node, planned.taints)
        if planned.labels:
            await self.client.patch(core_v1.Node, name, None, {"metadata": {"labels": planned.labels}})
        if was_ready and planned.ready != "True":
            self._tell(name, node.metadata.uid, "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        if not planned.awaits_execution:
            self._down.pop(name, None)
        elif name not in self._down:
            self._down[name] = None
            self.queue.add_after(ZONES, ZONES_PERIOD)
        if planned.ready == "Unknown":
            for pod in self.pods.by_index(ON_NODE, name):
                await self._mark_not_ready(pod)

    async def _set_taints(self, node: core_v1.Node, taints: Sequence[core_v1.Taint]) -> None:
        metadata = {"resourceVersion": node.metadata.resource_version}
        patch = {"metadata": metadata, "spec": {"taints": [codec.to_document(one) for one in taints]}}
        await self.client.patch(core_v1.Node, node.metadata.name, None, patch)

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
        try:
            await self.client.update_status(msgspec.structs.replace(pod, status=status))
        except ApiError as error:
            if error.code != 404:
                raise
        else:
            self.recorder.event(pod, WARNING, "NodeNotReady", "Node is not ready")

    async def _look_at_zones(self) -> Result:
        """A write that fails ends the pass; the next one begins where the cluster stands then."""
        nodes, now = self.nodes.list(), self.clock.monotonic()
        readiness: dict[Zone, list[bool]] = {}
        for counted in map(_Counted.of, nodes):
            if not counted.is_excluded:
                readiness.setdefault(counted.zone, []).append(counted.ready == "True")
        decided = disruption(self._states, readiness)
        if decided.begins:
            await self._spare(nodes)
        if decided.ends:
            self._heard.update(dict.fromkeys(self._heard, now))
        for zone, rate in decided.rates.items():
            self._paces[zone] = self._paces.get(zone, Pace()).at(rate, now)
        self._states = dict(decided.states)
        return await self._taint_at_pace()

    async def _spare(self, nodes: Sequence[core_v1.Node]) -> None:
        for node in nodes:
            taints = spared(node, self.now())
            if taints != node.spec.taints:
                await self._set_taints(node, taints)

    async def _taint_at_pace(self) -> Result:
        waits: dict[Zone, float] = {}
        for name in list(self._down):
            node = self.nodes.get(Key("", name))
            if node is None or _ready_status(node) not in EXECUTION_TAINT:
                continue
            zone, now = Zone.of(node), self.clock.monotonic()
            pace = self._paces.setdefault(zone, Pace())
            wait = pace.wait(now)
            taints = executed(node, self.now())
            if taints == node.spec.taints:
                self._down.pop(name, None)
            elif wait:
                waits[zone] = wait
            elif wait is not None:
                await self._set_taints(node, taints)
                self._paces[zone] = pace.taken(now)
                self._down.pop(name, None)
        return Requeue(min(waits.values())) if waits else DONE


def _ready_status(node: core_v1.Node) -> str | None:
    ready = meta.condition(node.status, "Ready")
    return None if ready is None else ready.status


def _heartbeat(ready: core_v1.NodeCondition | None) -> Any:
    return None if ready is None else (ready.last_heartbeat_time,)
