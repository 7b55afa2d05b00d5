"""Nodes in trouble: conditions, taints, evictions, and the clearing away of pods."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from controllers.make import NOW, pod
from pybernetes.api.models import core_v1
from pybernetes.controllers import node_conditions, node_zones, podgc
from pybernetes.controllers.node_conditions import plan
from pybernetes.controllers.node_zones import Disruption, Pace, Zone, ZoneState, disruption
from pybernetes.controllers.tainteviction import tolerated_for


def node(*conditions: tuple[str, str], **spec: Any) -> core_v1.Node:
    stated = [{"type": kind, "status": value} for kind, value in conditions]
    document = {"metadata": {"name": "a"}, "spec": spec, "status": {"conditions": stated}}
    return msgspec.convert(document, core_v1.Node)


def taints(planned: node_conditions.Plan) -> list[tuple[str, str]] | None:
    return None if planned.taints is None else [(one.key, one.effect) for one in planned.taints]


def test_a_healthy_node_is_left_alone() -> None:
    healthy = node(("Ready", "True"), ("MemoryPressure", "False"))
    assert plan(healthy, silent=False, now=NOW) == node_conditions.Plan()


def test_a_silent_node_is_unknown_and_awaits_the_pace_of_its_zone() -> None:
    planned = plan(node(("Ready", "True")), silent=True, now=NOW)
    assert planned.conditions is not None
    ready, memory = planned.conditions[:2]
    assert (ready.status, ready.reason) == ("Unknown", "NodeStatusUnknown")
    assert ready.message == "Kubelet stopped posting node status."
    assert (memory.type, memory.reason) == ("MemoryPressure", "NodeStatusNeverUpdated")
    assert memory.message == "Kubelet never posted node status."
    assert {one.type for one in planned.conditions} == {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}
    assert taints(planned) == [("node.kubernetes.io/unreachable", "NoSchedule")]
    assert (planned.ready, planned.awaits_execution) == ("Unknown", True)


def test_taints_follow_conditions_and_others_stay() -> None:
    mine = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
    stale = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    conditions = [("Ready", "True"), ("DiskPressure", "True"), ("NetworkUnavailable", "True"), ("PIDPressure", "True")]
    recovered = node(*conditions, taints=[stale, mine], unschedulable=True)
    planned = plan(recovered, silent=False, now=NOW)
    assert taints(planned) == [
        ("dedicated", "NoSchedule"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/network-unavailable", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ]
    assert planned.taints is not None
    assert [one.time_added for one in planned.taints] == [None, NOW, NOW, NOW, NOW]


def test_a_node_that_answers_again_but_is_not_ready_changes_its_taints_at_once() -> None:
    before = [{"key": "node.kubernetes.io/unreachable", "effect": effect} for effect in ("NoSchedule", "NoExecute")]
    planned = plan(node(("Ready", "False"), taints=before), silent=False, now=NOW)
    assert taints(planned) == [
        ("node.kubernetes.io/not-ready", "NoSchedule"),
        ("node.kubernetes.io/not-ready", "NoExecute"),
    ]
    assert not planned.awaits_execution
    assert taints(plan(node(("Ready", "True"), taints=before), silent=False, now=NOW)) == []


def test_a_taint_keeps_the_time_it_was_added() -> None:
    added = NOW - timedelta(minutes=3)
    taint = {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": added.isoformat()}
    planned = plan(node(("Ready", "False"), taints=[taint]), silent=False, now=NOW)
    assert planned.taints is not None
    assert {one.effect: one.time_added for one in planned.taints} == {"NoExecute": added, "NoSchedule": NOW}


def test_older_labels_repeat_the_stable_ones() -> None:
    labels = {"kubernetes.io/os": "linux", "kubernetes.io/arch": "arm64", "beta.kubernetes.io/arch": "amd64"}
    old = node(("Ready", "True"))
    old.metadata.labels.update(labels)
    planned = plan(old, silent=False, now=NOW)
    assert planned.labels == {"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "arm64"}


WEST, EAST = Zone("", "west"), Zone("", "east")
NORMAL, PARTIAL, FULL = ZoneState.NORMAL, ZoneState.PARTIAL_DISRUPTION, ZoneState.FULL_DISRUPTION


def some(ready: int, down: int) -> list[bool]:
    return [True] * ready + [False] * down


@pytest.mark.parametrize(
    ("ready", "down", "state"),
    [(1, 0, NORMAL), (0, 1, FULL), (1, 2, NORMAL), (2, 3, PARTIAL), (46, 54, NORMAL), (45, 55, PARTIAL), (0, 9, FULL)],
)
def test_the_state_of_a_zone(ready: int, down: int, state: ZoneState) -> None:
    assert node_zones.state_of(some(ready, down)) is state


def test_a_zone_in_trouble_changes_its_pace_and_only_the_loss_of_all_stops_everything() -> None:
    begun = disruption({}, {WEST: some(3, 0), EAST: some(20, 0)})
    assert begun == Disruption({WEST: NORMAL, EAST: NORMAL}, {WEST: 0.1, EAST: 0.1})
    assert disruption(begun.states, {WEST: some(3, 0), EAST: some(2, 18)}).rates == {EAST: 0.0}
    assert disruption(begun.states, {WEST: some(3, 0), EAST: some(2, 49)}).rates == {EAST: 0.01}
    lost = disruption(begun.states, {WEST: some(0, 3), EAST: some(20, 0)})
    assert (lost.states[WEST], lost.rates, lost.begins) == (FULL, {WEST: 0.1}, False)
    over = disruption(lost.states, {WEST: some(0, 3), EAST: some(0, 20)})
    assert (over.rates, over.begins) == ({WEST: 0.0, EAST: 0.0}, True)
    assert disruption(over.states, {WEST: some(0, 3), EAST: some(0, 20)}) == Disruption(over.states, {})
    back = disruption(over.states, {WEST: some(1, 2), EAST: some(0, 20)})
    assert (back.rates, back.ends) == ({WEST: 0.1, EAST: 0.1}, True)


def test_zones_are_told_by_region_and_zone_and_older_labels_come_first() -> None:
    labelled = node()
    labelled.metadata.labels.update({"topology.kubernetes.io/zone": "a", "topology.kubernetes.io/region": "r"})
    assert Zone.of(labelled) == Zone("r", "a")
    labelled.metadata.labels["failure-domain.beta.kubernetes.io/zone"] = "b"
    assert Zone.of(labelled) == Zone("r", "b")


def test_a_pace_lets_one_go_and_then_waits() -> None:
    pace = Pace()
    assert pace.wait(0) == 0
    assert pace.taken(0).wait(4) == 6
    assert pace.at(0.0, 1).wait(1) is None
    slower = pace.taken(0).at(0.01, 4)
    assert slower.wait(4) == 100


def toleration(seconds: int | None = None, key: str = "k") -> core_v1.Toleration:
    return core_v1.Toleration(key=key, operator="Exists", effect="NoExecute", toleration_seconds=seconds)


def test_how_long_a_pod_may_stay_under_a_noexecute_taint() -> None:
    taint = core_v1.Taint(key="k", effect="NoExecute", time_added=NOW - timedelta(seconds=100))
    assert tolerated_for([taint], []) == 0
    assert tolerated_for([taint], [toleration()]) is None
    assert tolerated_for([taint], [toleration(300)]) == 300
    assert tolerated_for([taint], [toleration(300), toleration(150)]) == 150
    other = core_v1.Taint(key="other", effect="NoExecute", time_added=NOW)
    assert tolerated_for([taint, other], [toleration()]) == 0


def test_what_nobody_else_clears_away_is_collected() -> None:
    done = [pod(f"done-{age}", phase="Succeeded", age=age) for age in (30, 20, 10)]
    lost, doomed = pod("lost", node="gone"), pod("doomed", node="", deleting=True)
    planned = podgc.plan([*done, lost, doomed, pod("fine")], frozenset({"gone"}), most_finished=1)
    assert [one.metadata.name for one in planned.finished] == ["done-30", "done-20"]
    assert planned.orphaned == (lost,)
    assert planned.unscheduled == (doomed,)
