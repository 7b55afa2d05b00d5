"""What is to be made of one node: its conditions, taints and labels, from what it says and whether it says anything.

Follows pkg/controller/nodelifecycle (tryUpdateNodeHealth, doNoScheduleTaintingPass, processTaintBaseEviction,
reconcileNodeLabels).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import core_v1

_TAINT_PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE, UNSCHEDULABLE = (_TAINT_PREFIX + name for name in ("not-ready", "unreachable", "unschedulable"))
EXECUTION_TAINT = {"False": NOT_READY, "Unknown": UNREACHABLE}
"""The NoExecute taint by the status of the condition Ready."""

_TAINTS_BY_CONDITION: Mapping[str, Mapping[str, str]] = {
    "Ready": EXECUTION_TAINT,
    "MemoryPressure": {"True": _TAINT_PREFIX + "memory-pressure"},
    "DiskPressure": {"True": _TAINT_PREFIX + "disk-pressure"},
    "NetworkUnavailable": {"True": _TAINT_PREFIX + "network-unavailable"},
    "PIDPressure": {"True": _TAINT_PREFIX + "pid-pressure"},
}
_SCHEDULING_TAINTS = frozenset(
    (UNSCHEDULABLE, *(key for by_status in _TAINTS_BY_CONDITION.values() for key in by_status.values()))
)
_HEARTBEAT_CONDITIONS = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_COPIED_LABELS = {"kubernetes.io/os": "beta.kubernetes.io/os", "kubernetes.io/arch": "beta.kubernetes.io/arch"}

Taint = tuple[str, str]
"""Key and effect."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`conditions` and `taints` are None when they are right already, `labels` those to set."""

    conditions: list[core_v1.NodeCondition] | None = None
    taints: list[core_v1.Taint] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    ready: str | None = "True"
    """The status of Ready as it will be; None when nobody has said yet."""
    awaits_execution: bool = False
    """The node is down and does not have the taint yet that takes its pods away: that is done at a zone's pace."""


def plan(node: core_v1.Node, *, silent: bool, now: datetime) -> Plan:
    """`silent`: the node has not been heard of for the grace period."""
    conditions = _unknown_conditions(node, now) if silent else node.status.conditions
    ready = meta.condition(conditions, "Ready")
    status = None if ready is None else ready.status
    taints = with_taints(node.spec.taints, *_taint_changes(node, conditions, status), now)
    execution = EXECUTION_TAINT.get(status or "")
    return Plan(
        conditions=conditions if conditions != node.status.conditions else None,
        taints=taints if taints != node.spec.taints else None,
        labels=_missing_labels(node.metadata.labels),
        ready=status,
        awaits_execution=execution is not None and (execution, "NoExecute") not in map(identity, taints),
    )


def executed(node: core_v1.Node, now: datetime) -> list[core_v1.Taint]:
    """The taints of a node that is down, with the one that takes its pods away."""
    ready = meta.condition(node.status, "Ready")
    key = EXECUTION_TAINT.get("" if ready is None else ready.status)
    if key is None:
        return node.spec.taints
    opposite = {(one, "NoExecute") for one in EXECUTION_TAINT.values() if one != key}
    return with_taints(node.spec.taints, {(key, "NoExecute")}, opposite, now)


def spared(node: core_v1.Node, now: datetime) -> list[core_v1.Taint]:
    """The taints of a node without those that take pods away."""
    return with_taints(node.spec.taints, (), {(key, "NoExecute") for key in EXECUTION_TAINT.values()}, now)


def with_taints(
    taints: Sequence[core_v1.Taint], add: Iterable[Taint], remove: Iterable[Taint], now: datetime
) -> list[core_v1.Taint]:
    """Others stay where they are, and one that is there already keeps its time."""
    gone, present = frozenset(remove), {identity(one) for one in taints}
    kept = [one for one in taints if identity(one) not in gone]
    added = [
        core_v1.Taint(key=key, effect=effect, time_added=now) for key, effect in add if (key, effect) not in present
    ]
    return [*kept, *added]


def identity(taint: core_v1.Taint) -> Taint:
    return taint.key, taint.effect


def _taint_changes(
    node: core_v1.Node, conditions: Sequence[core_v1.NodeCondition], ready: str | None
) -> tuple[list[Taint], set[Taint]]:
    """What to add and what to remove. Only a taint that is there already changes its kind at once when a node that
    did not answer says that it is not ready, or the other way round."""
    wanted = [
        (key, "NoSchedule")
        for one in conditions
        if (key := _TAINTS_BY_CONDITION.get(one.type, {}).get(one.status)) is not None
    ]
    if node.spec.unschedulable:
        wanted.append((UNSCHEDULABLE, "NoSchedule"))
    present = {identity(one) for one in node.spec.taints}
    remove = {(key, "NoSchedule") for key in _SCHEDULING_TAINTS}.difference(wanted)
    executing = {(key, "NoExecute") for key in EXECUTION_TAINT.values()}
    if ready == "True":
        remove |= executing
    elif ready in EXECUTION_TAINT:
        opposite = executing - {(EXECUTION_TAINT[ready], "NoExecute")}
        if opposite & present:
            wanted.append((EXECUTION_TAINT[ready], "NoExecute"))
            remove |= opposite
    return wanted, remove


def _unknown_conditions(node: core_v1.Node, now: datetime) -> list[core_v1.NodeCondition]:
    known = {one.type: one for one in node.status.conditions}
    for kind in _HEARTBEAT_CONDITIONS:
        old = known.get(kind)
        if old is None:
            known[kind] = core_v1.NodeCondition(
                type=kind,
                status="Unknown",
                reason="NodeStatusNeverUpdated",
                message="Kubelet never posted node status.",
                last_heartbeat_time=node.metadata.creation_timestamp,
                last_transition_time=now,
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


def _missing_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {
        copy: labels[label]
        for label, copy in _COPIED_LABELS.items()
        if label in labels and labels.get(copy) != labels[label]
    }
