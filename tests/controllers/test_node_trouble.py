"""Nodes in trouble: conditions, taints, evictions, and the clearing away of pods."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from controllers.make import NOW, pod
from pybernetes.api.models import core_v1
from pybernetes.controllers import nodelifecycle, podgc
from pybernetes.controllers.tainteviction import seconds_left


def node(*conditions: tuple[str, str], **spec: Any) -> core_v1.Node:
    stated = [{"type": kind, "status": value} for kind, value in conditions]
    document = {"metadata": {"name": "a"}, "spec": spec, "status": {"conditions": stated}}
    return msgspec.convert(document, core_v1.Node)


def taints(planned: nodelifecycle.Plan) -> list[tuple[str, str]] | None:
    return None if planned.taints is None else [(one.key, one.effect) for one in planned.taints]


def test_a_healthy_node_is_left_alone() -> None:
    healthy = node(("Ready", "True"), ("MemoryPressure", "False"))
    assert nodelifecycle.plan(healthy, silent=False, now=NOW) == nodelifecycle.Plan(None, None, ready=True)


def test_a_silent_node_is_unknown_and_unreachable() -> None:
    planned = nodelifecycle.plan(node(("Ready", "True")), silent=True, now=NOW)
    assert planned.conditions is not None
    ready = planned.conditions[0]
    assert (ready.status, ready.reason) == ("Unknown", "NodeStatusUnknown")
    assert ready.message == "Kubelet stopped posting node status."
    assert {one.type for one in planned.conditions} == {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}
    assert taints(planned) == [
        ("node.kubernetes.io/unreachable", "NoSchedule"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
    ]
    assert not planned.ready


def test_taints_follow_conditions_and_others_stay() -> None:
    mine = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    stale = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    recovered = node(("Ready", "True"), ("DiskPressure", "True"), taints=[mine, stale], unschedulable=True)
    assert taints(nodelifecycle.plan(recovered, silent=False, now=NOW)) == [
        ("dedicated", "NoSchedule"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ]


def test_a_taint_keeps_the_time_it_was_added() -> None:
    added = NOW - timedelta(minutes=3)
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": added.isoformat()}
    planned = nodelifecycle.plan(node(("Ready", "False"), taints=[taint]), silent=False, now=NOW)
    assert planned.taints is not None
    assert {one.effect: one.time_added for one in planned.taints} == {"NoExecute": added, "NoSchedule": None}


def toleration(seconds: int | None = None, key: str = "k") -> core_v1.Toleration:
    return core_v1.Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds)


def test_how_long_a_pod_may_stay_under_a_noexecute_taint() -> None:
    taint = core_v1.Taint(key="k", effect="NoExecute", time_added=NOW - timedelta(seconds=100))
    assert seconds_left([taint], [], NOW) == 0
    assert seconds_left([taint], [toleration()], NOW) is None
    assert seconds_left([taint], [toleration(300)], NOW) == 200
    assert seconds_left([taint], [toleration(300), toleration(150)], NOW) == 50
    other = core_v1.Taint(key="other", effect="NoExecute", time_added=NOW)
    assert seconds_left([taint, other], [toleration()], NOW) == 0


def test_what_nobody_else_clears_away_is_collected() -> None:
    done = [pod(f"done-{age}", phase="Succeeded", age=age) for age in (30, 20, 10)]
    lost, doomed = pod("lost", node="gone"), pod("doomed", node="", deleting=True)
    planned = podgc.plan([*done, lost, doomed, pod("fine")], frozenset({"gone"}), most_finished=1)
    assert [one.metadata.name for one in planned.finished] == ["done-30", "done-20"]
    assert planned.orphaned == (lost,)
    assert planned.unscheduled == (doomed,)
