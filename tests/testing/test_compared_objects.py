"""The odd objects that two servers are compared by."""

from __future__ import annotations

import copy

from comparison.mutations import mutations

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"x": "y"}},
    "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}}], "hostNetwork": True, "priority": 1},
}


def test_every_place_is_removed_nulled_and_made_odd_one_at_a_time() -> None:
    before = copy.deepcopy(POD)
    found = list(mutations(POD, "core_v1.Pod"))
    assert before == POD
    by_place = {one.place for one in found}
    assert {("spec", "containers", 0, "name"), ("metadata", "labels", "x"), ("spec", "hostNetwork")} <= by_place
    assert all(one.document["kind"] == "Pod" for one in found)
    texts = {one.title for one in found}
    assert {"spec.priority removed", "spec.priority = None", "spec.priority = -1", "spec.hostNetwork = False"} <= texts
    assert "spec.containers.0.resources.limits.cpu = '+5'" in texts


def test_fields_that_the_object_lacks_are_tried_too() -> None:
    found = {one.place: one.document for one in mutations(POD, "core_v1.Pod") if one.title.endswith("]")}
    assert found[("spec", "tolerations")]["spec"]["tolerations"] == []


def test_a_part_of_the_object_can_be_chosen() -> None:
    assert {one.place[0] for one in mutations(POD, "core_v1.Pod", within=("spec",))} == {"spec"}
