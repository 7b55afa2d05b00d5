"""The node as the API shows it."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from kubelet.observations import NOW, declared
from pybernetes.api.models import core_v1
from pybernetes.api.models.core_v1 import NodeStatus
from pybernetes.kubelet import admission, node_status
from pybernetes.kubelet.configuration import NodeConfiguration, Taint
from pybernetes.kubelet.machine import HOLLOW
from pybernetes.kubelet.node_status import Readings
from pybernetes.kubelet.runtime import RuntimeHandler

NODE = NodeConfiguration("n1", addresses=("10.0.0.1",), labels={"zone": "a"}, taints=(Taint("k", "NoSchedule"),))


NOTHING_WRONG = Readings()


def status(readings: Readings = NOTHING_WRONG, old: NodeStatus | None = None, later: float = 0) -> NodeStatus:
    return node_status.status_of(NODE, HOLLOW, old or NodeStatus(), readings, NOW + timedelta(seconds=later))


def test_a_node_registers_with_its_labels_taints_and_capacity() -> None:
    node = node_status.node_object(NODE, HOLLOW, Readings(), NOW)
    assert node.metadata.labels["kubernetes.io/hostname"] == "n1"
    assert node.metadata.labels["zone"] == "a"
    assert [(t.key, t.effect) for t in node.spec.taints] == [("k", "NoSchedule")]
    assert node.status.capacity["memory"] == f"{32 << 20}Ki"


def test_conditions_have_upstreams_words() -> None:
    found = {c.type: (c.status, c.reason, c.message) for c in status().conditions}
    assert found == {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
    }


def test_heartbeats_alone_are_no_change() -> None:
    before = status()
    after = status(old=before, later=60)
    assert not node_status.changed(before, after)
    assert {c.last_transition_time for c in after.conditions} == {NOW}


def test_an_amount_that_the_server_writes_otherwise_is_no_change() -> None:
    before = status()
    stored = msgspec.structs.replace(before, capacity={**before.capacity, "memory": "32Gi"})
    assert not node_status.changed(stored, status(old=stored, later=60))
    grown = msgspec.structs.replace(before, capacity={**before.capacity, "memory": "33Gi"})
    assert node_status.changed(grown, status(old=grown, later=60))


def test_a_runtime_that_is_down_makes_the_node_not_ready() -> None:
    before = status()
    after = status(Readings(problem="container runtime is down: gone"), before, later=60)
    assert node_status.changed(before, after)
    ready = after.conditions[-1]
    assert (ready.status, ready.reason, ready.message) == (
        "False",
        "KubeletNotReady",
        "container runtime is down: gone",
    )
    assert ready.last_transition_time == NOW + timedelta(seconds=60)


def test_what_is_reserved_is_not_for_pods() -> None:
    capacity = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    assert node_status.allocatable_of(capacity, {"cpu": "250m", "memory": "1Gi"}) == {
        "cpu": "3750m",
        "memory": str(7 << 30),
        "pods": "110",
    }


def test_pods_that_cannot_run_here_are_refused() -> None:
    labels, allocatable = {"kubernetes.io/os": "linux", "zone": "a"}, {"cpu": "4", "pods": "1"}

    def reason(**spec: object) -> str | None:
        found = admission.refusal(declared(**spec), [], allocatable, labels)
        return found.reason if found is not None else None

    assert reason() is None
    assert reason(node_selector={"zone": "b"}) == "NodeAffinity"
    assert reason(node_selector={"kubernetes.io/os": "windows"}) == "PodOSSelectorNodeLabelDoesNotMatch"
    strict = core_v1.PodSecurityContext(supplemental_groups_policy="Strict")
    assert reason(security_context=strict) == "SupplementalGroupsPolicyNotSupported"
    able = admission.refusal(declared(security_context=strict), [], allocatable, labels, strict_groups=True)
    assert able is None
    full = admission.refusal(declared(), [declared()], allocatable, labels)
    assert full is not None
    assert full.reason == "OutOfpods"


def test_what_the_runtime_says_of_itself_is_shown_and_nothing_else() -> None:
    silent = status(Readings(handlers=[RuntimeHandler("runc")]))
    assert silent.features is None
    assert [(one.name, one.features) for one in silent.runtime_handlers] == [("runc", None)]
    told = status(Readings(handlers=[RuntimeHandler("", True, False)], strict_groups=True))
    assert told.features is not None
    assert told.features.supplemental_groups_policy is True
    (handler,) = told.runtime_handlers
    assert handler.features is not None
    assert (handler.features.recursive_read_only_mounts, handler.features.user_namespaces) == (True, False)


def test_resources_that_others_gave_the_node_stay() -> None:
    before = status()
    given = msgspec.structs.replace(before, capacity={**before.capacity, "example.com/lamp": "3", "pods": "7"})
    after = status(old=given)
    assert after.capacity == {**before.capacity, "example.com/lamp": "3"}
    assert after.allocatable["example.com/lamp"] == "3"
