from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pybernetes.api.patch import PatchError, TestFailed, json_patch, merge, strategic
from pybernetes.api.schema import shape_of

POD = shape_of("", "v1", "Pod")
DEPLOYMENT = shape_of("apps", "v1", "Deployment")

scalars = st.one_of(st.integers(-3, 3), st.booleans(), st.text("ab", max_size=2))
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner)
)
documents = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


@given(documents, documents)
def test_the_merge_patch_between_two_documents_leads_from_one_to_the_other(old: Any, new: Any) -> None:
    before = copy.deepcopy(old)
    assert merge.apply(old, merge.diff(old, new)) == new
    assert old == before


def test_null_in_a_merge_patch_removes_at_any_depth_and_adds_nothing() -> None:
    assert merge.apply({"a": {"b": 1, "c": 2}}, {"a": {"b": None}, "x": {"y": None}}) == {"a": {"c": 2}, "x": {}}
    lists = {"a": [{"k": None, "x": {"y": None}}, None], "b": {"c": {"d": None}}}
    assert merge.apply({"a": [1]}, lists) == {"a": [{"x": {}}, None], "b": {"c": {}}}


@given(documents, st.sampled_from("abc"), values)
def test_add_then_remove_gives_back_what_was(document: Any, key: str, value: Any) -> None:
    before = copy.deepcopy(document)
    added = json_patch.apply(document, [{"op": "add", "path": f"/{key}", "value": value}])
    assert added[key] == value
    assert document == before
    removed = json_patch.apply(added, [{"op": "remove", "path": f"/{key}"}])
    assert removed == {name: item for name, item in document.items() if name != key}


def test_operations_apply_in_order() -> None:
    operations = [
        {"op": "add", "path": "/l/-", "value": 9},
        {"op": "add", "path": "/l/0", "value": 0},
        {"op": "move", "from": "/l/1", "path": "/m"},
        {"op": "copy", "from": "/m", "path": "/a~1b"},
        {"op": "replace", "path": "/l/0", "value": {"x": []}},
        {"op": "test", "path": "/l/0/x", "value": []},
    ]
    assert json_patch.apply({"l": [1, 2]}, operations) == {"l": [{"x": []}, 2, 9], "m": 1, "a/b": 1}


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (
            {"op": "remove", "path": "/x"},
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            {"op": "add", "path": "/x/y", "value": 1},
            'add operation does not apply: doc is missing path: "/x/y": missing value',
        ),
        ({"op": "add", "path": "/l/7", "value": 1}, "Unable to access invalid index: 7: invalid index referenced"),
        ({"op": "frob", "path": "/x"}, "Unexpected kind: frob"),
        ({"op": "add", "value": 1}, "operation has no path"),
    ],
)
def test_an_operation_that_does_not_fit_is_refused(operation: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchError) as caught:
        json_patch.apply({"l": []}, [operation])
    assert message in str(caught.value)


def test_a_failed_test_refuses_the_whole_patch() -> None:
    with pytest.raises(TestFailed, match="testing value /a failed: test failed"):
        json_patch.apply({"a": True}, [{"op": "test", "path": "/a", "value": 1}])


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "copy", "from": "", "path": "/b"},
        {"op": "copy", "from": "/l/9", "path": "/b"},
        {"op": "test", "path": "a", "value": {"a": 1}},
        {"op": "test", "path": "/x/y", "value": None},
        {"op": "test", "path": "/l/9", "value": None},
        {"op": "test", "path": "/a", "value": 1.0},
        {"op": "replace", "path": "a", "value": {}},
    ],
)
def test_a_place_that_is_not_there_is_refused(operation: dict[str, Any]) -> None:
    with pytest.raises(PatchError):
        json_patch.apply({"a": 1, "l": []}, [operation])


@pytest.mark.parametrize(
    "operation", [{"op": "test", "path": "/x", "value": None}, {"op": "test", "path": "/a", "value": 1}]
)
def test_a_null_stands_for_what_is_absent_in_an_object(operation: dict[str, Any]) -> None:
    assert json_patch.apply({"a": 1}, [operation]) == {"a": 1}


# -- strategic -------------------------------------------------------------------------------------------------------


def pod(*containers: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {"metadata": metadata, "spec": {"containers": list(containers)}}


def names(document: dict[str, Any]) -> list[str]:
    return [container["name"] for container in document["spec"]["containers"]]


def test_containers_are_merged_by_name() -> None:
    old = pod({"name": "a", "image": "1", "command": ["x"]}, {"name": "b", "image": "1"})
    before = copy.deepcopy(old)
    new = strategic.apply(old, {"spec": {"containers": [{"name": "a", "image": "2", "command": ["y"]}]}}, POD)
    assert new["spec"]["containers"] == [
        {"name": "a", "image": "2", "command": ["y"]},
        {"name": "b", "image": "1"},
    ]
    assert old == before


def test_a_new_container_comes_where_upstream_puts_it() -> None:
    assert names(strategic.apply(pod({"name": "a"}), {"spec": {"containers": [{"name": "b"}]}}, POD)) == ["b", "a"]


def test_an_element_is_deleted_by_its_key() -> None:
    patch = {"spec": {"containers": [{"name": "a", "$patch": "delete"}]}}
    assert names(strategic.apply(pod({"name": "a"}, {"name": "b"}), patch, POD)) == ["b"]


def test_a_list_is_replaced_on_request() -> None:
    patch = {"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}}
    assert names(strategic.apply(pod({"name": "a"}, {"name": "b"}), patch, POD)) == ["c"]


def test_a_map_is_replaced_or_emptied_on_request() -> None:
    old = pod({"name": "a"}, labels={"a": "1"})
    assert strategic.apply(old, {"metadata": {"labels": {"$patch": "replace", "b": "2"}}}, POD)["metadata"] == {
        "labels": {"b": "2"}
    }
    assert strategic.apply(old, {"metadata": {"$patch": "delete"}}, POD)["metadata"] == {}


def test_the_order_is_set_and_what_only_the_server_has_stays_near() -> None:
    old = pod({"name": "a"}, {"name": "server"}, {"name": "b"})
    patch = {"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}]}}
    assert names(strategic.apply(old, patch, POD)) == ["server", "b", "a"]
    in_order = {"spec": {"$setElementOrder/containers": [{"name": "a"}, {"name": "b"}]}}
    assert names(strategic.apply(old, in_order, POD)) == ["a", "server", "b"]


def test_only_the_retained_keys_of_a_union_stay() -> None:
    old = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic.apply(old, patch, DEPLOYMENT) == {"spec": {"strategy": {"type": "Recreate"}}}
    with pytest.raises(PatchError):
        strategic.apply(old, {"spec": {"strategy": {"$retainKeys": [], "type": "Recreate"}}}, DEPLOYMENT)


def test_lists_of_scalars_merge_and_lose_what_is_named() -> None:
    old = pod(finalizers=["a", "b"])
    added = strategic.apply(old, {"metadata": {"finalizers": ["c"]}}, POD)
    assert sorted(added["metadata"]["finalizers"]) == ["a", "b", "c"]
    removed = strategic.apply(old, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}, POD)
    assert removed["metadata"]["finalizers"] == ["b"]


def test_atomic_lists_are_replaced() -> None:
    old = {"spec": {"tolerations": [{"key": "a"}]}}
    assert strategic.apply(old, {"spec": {"tolerations": [{"key": "b"}]}}, POD)["spec"]["tolerations"] == [{"key": "b"}]


NODE = shape_of("", "v1", "Node")


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (
            {"finalizers": ["a", "c"], "$setElementOrder/finalizers": ["c", "b"]},
            "The order in patch list:\n[a c]\n doe",
        ),
        ({"managedFields": [], "$setElementOrder/managedFields": ["c"]}, "no elements in any of the given slices"),
        ({"$setElementOrder/finalizers": "a"}, "expected a []interface {}, but received a string"),
        (
            {"$setElementOrder/nothing": []},
            'unable to find api field in struct ObjectMeta for the json field "nothing"',
        ),
        ({"$setElementOrder/name": []}, "expected slice or array type, but got: struct"),
        (
            {"labels": {"$setElementOrder/z": []}},
            "merging an object in json but data type is not struct, instead is: map",
        ),
        ({"labels": {"$patch": "merge"}}, "unknown patch type: merge in map: map[$patch:merge]"),
        ({"labels": {"$patch": 1}}, "unknown patch type: %!s(int64=1) in map: map[$patch:1]"),
        ({"ownerReferences": [{"$patch": "merge", "uid": "u"}]}, "merging lists cannot yet be specified in the patch"),
        ({"ownerReferences": ["u"]}, "list element types are not identical: [[map[uid:u]] [u]]"),
        ({"ownerReferences": [{"name": "x"}]}, "map: map[name:x] does not contain declared merge key: uid"),
        ({"$setElementOrder": []}, "invalid patch format of setElementOrder list"),
        ({"$deleteFromPrimitiveList": ["a"]}, "invalid patch format of primitive list"),
        ({"$retainKeys": "name"}, "invalid patch format of retainKeys"),
    ],
)
def test_a_strategic_patch_that_does_not_fit_is_refused_in_upstreams_words(patch: dict[str, Any], why: str) -> None:
    live = {"metadata": {"labels": {"a": "b"}, "finalizers": ["a"], "ownerReferences": [{"uid": "u"}]}}
    with pytest.raises(PatchError) as refused:
        strategic.apply(live, {"metadata": patch}, POD)
    assert str(refused.value).startswith(why)


def test_deleting_from_a_list_of_objects_without_a_key_is_refused() -> None:
    live = {"spec": {"taints": [{"key": "a"}]}}
    with pytest.raises(PatchError, match="cannot merge lists without merge key for struct"):
        strategic.apply(live, {"spec": {"$deleteFromPrimitiveList/taints": [{"key": "a"}]}}, NODE)


@pytest.mark.parametrize(
    ("patch", "left"),
    [
        ({"$deleteFromPrimitiveList/finalizers": "a"}, ["a", "b"]),
        ({"$deleteFromPrimitiveList/finalizers": None}, None),
        ({"$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": ["a"]}, ["a"]),
        ({"finalizers": ["c"], "$setElementOrder/finalizers": ["c", "a", "b"]}, ["c", "a", "b"]),
        ({"finalizers": ["c", "d"], "$setElementOrder/finalizers": []}, ["a", "b", "d", "c"]),
    ],
)
def test_what_a_directive_leaves_of_a_list(patch: dict[str, Any], left: list[str] | None) -> None:
    new = strategic.apply({"metadata": {"finalizers": ["a", "b"]}}, {"metadata": patch}, POD)
    assert new["metadata"].get("finalizers") == left


def test_an_element_that_asks_to_replace_the_list_is_itself_left_out() -> None:
    patch = {
        "spec": {"containers": [{"$patch": "replace", "name": "x"}, {"name": "c", "$patch": "delete"}, {"name": "b"}]}
    }
    assert names(strategic.apply(pod({"name": "a"}), patch, POD)) == ["b"]


def test_what_is_added_has_neither_nulls_nor_what_is_only_a_directive() -> None:
    patch = {"spec": {"containers": [{"name": "a", "image": None}, {"name": "b", "$patch": "delete"}]}}
    assert strategic.apply({}, patch, POD) == {"spec": {"containers": [{"name": "a"}]}}


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"$patch": "explode"}, "unknown patch type: explode"),
        ({"spec": {"containers": [{"image": "x"}]}}, "does not contain declared merge key: name"),
    ],
)
def test_a_malformed_patch_is_refused(patch: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchError) as caught:
        strategic.apply(pod({"name": "a"}), patch, POD)
    assert message in str(caught.value)


@given(st.permutations(["a", "b", "c"]), st.lists(st.sampled_from("abcd"), unique=True))
def test_a_strategic_patch_keeps_every_element_once(old: list[str], patch: list[str]) -> None:
    new = strategic.apply(
        pod(*({"name": name} for name in old)), {"spec": {"containers": [{"name": name} for name in patch]}}, POD
    )
    assert sorted(names(new)) == sorted({*old, *patch})
