"""Daemon sets, decided: which nodes get a pod, which pods go, and how an update rolls."""

from __future__ import annotations

from typing import Any

import msgspec

from controllers.make import NOW, pod
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.controllers.controller_history import HASH_LABEL, plan_history, template_data
from pybernetes.controllers.daemonset_plan import Plan, daemon_template, node_of, plan, status


def daemon_set(**spec: Any) -> apps_v1.DaemonSet:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec.pop("pod", {})}
    strategy = spec.pop("strategy", {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}})
    document = {
        "metadata": {"name": "agent", "namespace": "default", "uid": "uid-agent", "generation": 2},
        "spec": {"template": template, "updateStrategy": strategy, **spec},
    }
    return msgspec.convert(document, apps_v1.DaemonSet)


def node(name: str, **spec: Any) -> core_v1.Node:
    labels = spec.pop("labels", {})
    return msgspec.convert({"metadata": {"name": name, "labels": labels}, "spec": spec}, core_v1.Node)


def on(where: str, *, digest: str = "new", name: str = "", **more: Any) -> core_v1.Pod:
    return pod(name or f"pod-{where}", node=where, labels={"app": "web", HASH_LABEL: digest}, **more)


def decided(one: apps_v1.DaemonSet, nodes: list[core_v1.Node], pods: list[core_v1.Pod]) -> Plan:
    return plan(one, nodes, pods, "new", NOW)


def test_every_suitable_node_gets_one_pod() -> None:
    nodes = [
        node("a"),
        node("b", labels={"disk": "ssd"}),
        node("cordoned", labels={"disk": "ssd"}, unschedulable=True),
        node("tainted", labels={"disk": "ssd"}, taints=[{"key": "k", "effect": "NoSchedule"}]),
    ]
    assert decided(daemon_set(), nodes[:2], [on("a")]).create == ("b",)
    chosen = decided(daemon_set(pod={"nodeSelector": {"disk": "ssd"}}), nodes, [])
    assert chosen.create == ("b", "cordoned")


def test_a_pod_tells_the_generation_of_its_template() -> None:
    one = daemon_set()
    assert "pod-template-generation" not in daemon_template(one, "a", "new").metadata.labels
    one.metadata.annotations = {"deprecated.daemonset.template.generation": "3"}
    labels = daemon_template(one, "a", "new").metadata.labels
    assert labels == {"app": "web", HASH_LABEL: "new", "pod-template-generation": "3"}


def test_the_senior_pod_speaks_for_a_node_that_is_surged() -> None:
    one = daemon_set(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    old, new = on("a", digest="old", name="old"), on("a", name="new", age=1, ready=False)
    reported = status(one, [node("a")], [new, old], "new", NOW)
    assert (reported.updated_number_scheduled, reported.number_available) == (0, 1)


def test_a_pod_stays_under_a_new_noschedule_taint_and_goes_under_noexecute() -> None:
    soft = node("a", taints=[{"key": "k", "effect": "NoSchedule"}])
    hard = node("a", taints=[{"key": "k", "effect": "NoExecute"}])
    assert decided(daemon_set(), [soft], [on("a")]) == Plan((), (), ())
    assert decided(daemon_set(), [hard], [on("a")]).delete == (on("a"),)


def test_a_node_that_is_not_ready_keeps_its_daemons() -> None:
    trouble = node("a", taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"}])
    assert decided(daemon_set(), [trouble], []).create == ("a",)


def test_the_pod_is_bound_to_its_node_by_affinity() -> None:
    template = daemon_template(daemon_set(), "a", "new")
    assert node_of(core_v1.Pod(spec=template.spec)) == "a"
    assert template.metadata.labels[HASH_LABEL] == "new"


def test_failed_and_superfluous_pods_go() -> None:
    failed = on("a", phase="Failed")
    planned = decided(daemon_set(), [node("a")], [failed])
    assert (planned.delete, planned.failed, planned.create) == ((failed,), (failed,), ())
    older, younger = on("a", name="older", age=100), on("a", name="younger", age=10)
    assert decided(daemon_set(), [node("a")], [younger, older]).delete == (younger,)


def test_a_pod_of_a_node_that_is_gone_goes() -> None:
    assert decided(daemon_set(), [], [on("gone")]).delete == (on("gone"),)


def test_a_rolling_update_keeps_to_max_unavailable_and_replaces_broken_pods_first() -> None:
    nodes = [node(name) for name in "abc"]
    pods = [on(name, digest="old") for name in "abc"]
    assert len(decided(daemon_set(), nodes, pods).delete) == 1
    half = daemon_set(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}})
    assert len(decided(half, nodes, pods).delete) == 2
    broken = [on("a", digest="old"), on("b", digest="old", ready=False), on("c", digest="old")]
    assert decided(daemon_set(), nodes, broken).delete == (broken[1],)
    assert decided(daemon_set(strategy={"type": "OnDelete"}), nodes, pods).delete == ()


def test_a_surging_update_makes_the_new_pod_first() -> None:
    surging = daemon_set(strategy={"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}})
    nodes = [node("a"), node("b")]
    old = [on("a", digest="old"), on("b", digest="old")]
    assert decided(surging, nodes, old).create == ("a",)
    half = [*old, on("a", name="new-a", ready=False, age=5)]
    assert decided(surging, nodes, half) == Plan((), (), ())
    ready = [*old, on("a", name="new-a", age=5)]
    assert decided(surging, nodes, ready).delete == (old[0],)


def test_the_status_counts_nodes_not_pods() -> None:
    nodes = [node("a"), node("b"), node("c", taints=[{"key": "k", "effect": "NoSchedule"}])]
    counted = status(daemon_set(), nodes, [on("a"), on("b", digest="old", ready=False), on("c")], "new", NOW)
    assert (counted.desired_number_scheduled, counted.current_number_scheduled) == (2, 2)
    assert (counted.number_ready, counted.number_available, counted.number_unavailable) == (1, 1, 1)
    assert (counted.updated_number_scheduled, counted.number_misscheduled) == (1, 1)
    assert counted.observed_generation == 2


def never(_: object) -> bool:
    return False


def test_a_template_that_comes_back_gets_its_old_revision_under_a_new_number() -> None:
    one = daemon_set()
    first = plan_history(one, [], never)
    assert (first.create, first.current.revision) == (True, 1)
    assert first.current.data == template_data(one.spec.template)
    changed = daemon_set(pod={"hostNetwork": True})
    second = plan_history(changed, [first.current], never)
    assert (second.create, second.current.revision) == (True, 2)
    back = plan_history(one, [first.current, second.current], never)
    assert (back.create, back.update, back.current.revision) == (False, True, 3)
    assert back.hash == first.hash


def test_old_revisions_beyond_the_limit_go_unless_pods_use_them() -> None:
    one = daemon_set(revisionHistoryLimit=1)
    revisions = [plan_history(daemon_set(pod={"nodeName": str(n)}), [], never).current for n in range(4)]
    revisions = [msgspec.structs.replace(each, revision=n + 1) for n, each in enumerate(revisions)]
    used = revisions[0].metadata.labels[HASH_LABEL]
    history = plan_history(one, revisions, lambda each: each.metadata.labels[HASH_LABEL] == used)
    assert history.delete == tuple(revisions[1:3])
