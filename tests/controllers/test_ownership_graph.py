from __future__ import annotations

from controllers.make import NOW
from pybernetes.api import kinds
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.controllers.ownership_graph import FOREGROUND, ORPHAN, OwnershipGraph

SETS, PODS = kinds.info_of(apps_v1.ReplicaSet), kinds.info_of(core_v1.Pod)


def owner(deleting: bool = False, finalizer: str = "") -> meta_v1.ObjectMeta:
    return meta_v1.ObjectMeta(
        name="web",
        namespace="default",
        uid="owner",
        deletion_timestamp=NOW if deleting else None,
        finalizers=[finalizer] if finalizer else [],
    )


def dependent(uid: str = "pod", *, blocks: bool = True, owned: bool = True) -> meta_v1.ObjectMeta:
    reference = meta_v1.OwnerReference(
        api_version="apps/v1", kind="ReplicaSet", name="web", uid="owner", controller=True, block_owner_deletion=blocks
    )
    return meta_v1.ObjectMeta(name=uid, namespace="default", uid=uid, owner_references=[reference] if owned else [])


def test_a_dependent_of_an_unknown_owner_is_looked_at() -> None:
    graph = OwnershipGraph()
    assert graph.observe(PODS, dependent()) == {"pod"}


def test_a_dependent_of_a_known_owner_is_left_alone_until_the_owner_goes() -> None:
    graph = OwnershipGraph()
    graph.observe(SETS, owner())
    assert graph.observe(PODS, dependent()) == set()
    assert graph.forget("owner") == {"pod"}


def test_an_owner_that_waits_is_looked_at_with_its_dependents() -> None:
    graph = OwnershipGraph()
    graph.observe(SETS, owner())
    graph.observe(PODS, dependent("a"))
    graph.observe(PODS, dependent("b", blocks=False))
    assert graph.observe(SETS, owner(deleting=True, finalizer=FOREGROUND)) == {"owner", "a", "b"}
    assert [node.uid for node in graph.blocking_dependents("owner")] == ["a"]
    assert graph.forget("a") == {"owner"}


def test_an_owner_is_looked_at_when_a_dependent_stops_blocking_it() -> None:
    graph = OwnershipGraph()
    graph.observe(PODS, dependent())
    graph.observe(SETS, owner(deleting=True, finalizer=FOREGROUND))
    assert "owner" in graph.observe(PODS, dependent(owned=False))
    assert graph.dependents("owner") == []


def test_an_owner_that_lets_its_dependents_go_is_looked_at() -> None:
    graph = OwnershipGraph()
    graph.observe(SETS, owner())
    assert "owner" in graph.observe(SETS, owner(deleting=True, finalizer=ORPHAN))
