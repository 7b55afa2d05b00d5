"""Custom resources at the door: what is pruned, defaulted, refused and told of."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.custom.definitions import DEFINITIONS, SCHEMA, WIDGETS, define, definition, version, widget
from apiserver.serving import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, TABLE, Talk, serving
from pybernetes.store.contract import Put

APPLY = "application/apply-patch+yaml"


async def test_unknown_fields_are_pruned_and_told_of_or_refused() -> None:
    async with serving() as talk:
        await define(talk, definition())
        spec = {"odd": 1, "free": {"any": [None, 1]}}
        made = await talk.post(WIDGETS, widget("a", spec, more=2))
        assert made.body["spec"] == {"free": {"any": [None, 1]}, "size": 3}
        assert list(made.response.warnings) == ['unknown field "more"', 'unknown field "spec.odd"']
        refused = await talk.post(WIDGETS, widget("b", spec), fieldValidation="Strict")
        assert refused.message == (
            'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.odd"'
        )


async def test_nulls_go_where_there_can_be_none_and_become_the_default_where_there_is_one() -> None:
    async with serving() as talk:
        await define(talk, definition())
        made = await talk.post(WIDGETS, widget("a", {"name": None, "size": None}))
        assert made.body["spec"] == {"size": 3}


async def test_nulls_that_are_applied_are_refused_where_there_can_be_none() -> None:
    async with serving() as talk:
        await define(talk, definition())
        refused = await talk.patch(f"{WIDGETS}/a", widget("a", {"name": None}), APPLY, fieldManager="me")
        assert refused.status == 422
        assert 'spec.name: Invalid value: "null": spec.name in body must be of type string: "null"' in refused.message
        made = await talk.patch(f"{WIDGETS}/a", widget("a", {"size": None}), APPLY, fieldManager="me")
        assert (made.status, made.body["spec"]) == (201, {"size": 3})


async def test_managed_fields_that_are_none_are_told_of() -> None:
    async with serving() as talk:
        await define(talk, definition())
        why = (
            "json: cannot unmarshal number into Go struct field ObjectMeta.managedFields of type v1.ManagedFieldsEntry"
        )
        wrong = {**widget("a"), "metadata": {"name": "a", "managedFields": [0]}}
        refused = await talk.post(WIDGETS, wrong)
        assert (refused.status, refused.message) == (
            400,
            f'Widget in version "v1" cannot be handled as a Widget: {why}',
        )
        await talk.post(WIDGETS, widget("a"))
        refused = await talk.patch(f"{WIDGETS}/a", wrong, MERGE_PATCH)
        assert refused.status == 422
        assert refused.message.endswith(why)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"size": "1"}, 'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"'),
        ({"size": 11}, "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"),
        ({"name": "a"}, 'spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long'),
        ({"tags": ["a", "b", "a", "a"]}, 'spec.tags[2]: Duplicate value: "a"'),
        ([], 'spec: Invalid value: "array": spec in body must be of type object: "array"'),
    ],
)
async def test_a_value_that_the_schema_does_not_allow_is_refused(spec: Any, problem: str) -> None:
    async with serving() as talk:
        await define(talk, definition())
        refused = await talk.post(WIDGETS, widget("a", spec))
        assert refused.status == 422
        assert refused.message == f'Widget.example.com "a" is invalid: {problem}'


async def test_what_is_stored_is_defaulted_by_the_schema_of_today() -> None:
    async with serving() as talk:
        await define(talk, definition())
        stored = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "old", "namespace": "default"}}
        value = orjson.dumps({**stored, "spec": {"gone": 1}})
        key = "/registry/example.com/widgets/default/old"
        outcome = await talk.server.store.transact(require=(), write=(Put(key, value),))
        await talk.server.watch_cache.at_least(outcome.revision)
        (listed,) = (await talk.get(WIDGETS)).body["items"]
        assert listed["spec"] == {"size": 3}
        assert (await talk.get(f"{WIDGETS}/old")).body == listed


async def test_what_was_wrong_before_an_update_may_stay_wrong() -> None:
    async with serving() as talk:
        loose = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"name": {"type": "string"}}}},
        }
        await define(talk, definition(versions=[version(schema=loose)]))
        await talk.post(WIDGETS, widget("a", {"name": "x"}))
        tight = definition(versions=[version()])["spec"]["versions"]
        await talk.patch(f"{DEFINITIONS}/widgets.example.com", {"spec": {"versions": tight}})
        while "size" not in (await talk.get(f"{WIDGETS}/a")).body["spec"]:
            await talk.server.watch_cache.at_least(talk.server.store.revision)
        assert (await talk.patch(f"{WIDGETS}/a", {"spec": {"size": 4}})).status == 200
        assert (await talk.patch(f"{WIDGETS}/a", {"spec": {"name": "y"}})).status == 422


async def test_any_change_outside_the_metadata_raises_the_generation_but_for_the_status() -> None:
    async with serving() as talk:
        await define(talk, definition(versions=[version(subresources={"status": {}})]))
        made = await talk.post(WIDGETS, widget("a", {}, status={"replicas": 1}))
        assert "status" not in made.body
        assert made.body["metadata"]["generation"] == 1
        labelled = await talk.patch(f"{WIDGETS}/a", {"metadata": {"labels": {"a": "b"}}})
        assert labelled.body["metadata"]["generation"] == 1
        assert (await talk.patch(f"{WIDGETS}/a", {"spec": {"size": 4}})).body["metadata"]["generation"] == 2
        told = {"status": {"replicas": 2}, "spec": {"size": 9}, "metadata": {"labels": {"a": "c"}}}
        status = await talk.patch(f"{WIDGETS}/a/status", told)
        assert status.body["status"] == {"replicas": 2}
        assert status.body["spec"] == {"size": 4}
        assert status.body["metadata"]["labels"] == {"a": "b"}
        assert status.body["metadata"]["generation"] == 2
        wrong = await talk.patch(f"{WIDGETS}/a/status", {"status": {"replicas": "x"}})
        assert wrong.message.endswith(
            'status.replicas: Invalid value: "string": replicas in body must be of type integer: "string"'
        )


async def test_scale_reads_and_writes_the_fields_that_the_definition_names() -> None:
    async with serving() as talk:
        scale = {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.replicas"}
        await define(talk, definition(versions=[version(subresources={"status": {}, "scale": scale})]))
        await talk.post(WIDGETS, widget("a", {}))
        found = await talk.get(f"{WIDGETS}/a/scale")
        assert (found.body["kind"], found.body["spec"], found.body["status"]) == (
            "Scale",
            {"replicas": 3},
            {"replicas": 0},
        )
        await talk.patch(f"{WIDGETS}/a/scale", {"spec": {"replicas": 5}})
        assert (await talk.get(f"{WIDGETS}/a")).body["spec"] == {"size": 5}
        refused = await talk.patch(f"{WIDGETS}/a/scale", {"spec": {"replicas": -1}})
        assert refused.message.endswith(".spec.size: Invalid value: -1: should be a non-negative integer")


async def test_patches_are_json_merge_or_apply() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("a", {}))
        refused = await talk.patch(f"{WIDGETS}/a", {"spec": {"size": 4}}, STRATEGIC_PATCH)
        assert refused.status == 415
        assert (await talk.patch(f"{WIDGETS}/a", {"spec": {"size": 4}}, MERGE_PATCH)).body["spec"]["size"] == 4
        operation = [{"op": "replace", "path": "/spec/size", "value": 5}]
        assert (await talk.patch(f"{WIDGETS}/a", operation, JSON_PATCH)).body["spec"]["size"] == 5
        without_version = await talk.put(f"{WIDGETS}/a", widget("a", {}))
        assert without_version.message.endswith("must be specified for an update")


async def test_managers_apply_to_the_parts_that_the_schema_has() -> None:
    async with serving() as talk:
        await define(talk, definition())

        async def apply(manager: str, **spec: Any) -> Any:
            return await talk.patch(f"{WIDGETS}/a", widget("a", spec), APPLY, fieldManager=manager)

        assert (await apply("one", size=4, tags=["x"], free={"a": {"b": 1}})).status == 201
        assert (await apply("two", tags=["y"], free={"a": {"c": 1}})).body["spec"] == {
            "size": 4,
            "tags": ["x", "y"],
            "free": {"a": {"b": 1, "c": 1}},
        }
        conflict = await apply("two", size=5)
        assert conflict.message == 'Apply failed with 1 conflict: conflict with "one": .spec.size'


async def test_selectable_fields_and_columns_are_what_the_definition_says() -> None:
    async with serving() as talk:
        columns = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
        more = {"additionalPrinterColumns": columns, "selectableFields": [{"jsonPath": ".spec.name"}]}
        await define(talk, definition(versions=[version(**more)]))
        await talk.post(WIDGETS, widget("a", {"name": "left"}))
        await talk.post(WIDGETS, widget("b", {"name": "right", "size": 7}))
        found = await talk.get(WIDGETS, fieldSelector="spec.name=right")
        assert [one["metadata"]["name"] for one in found.body["items"]] == ["b"]
        unknown = await talk.get(WIDGETS, fieldSelector="spec.size=7")
        assert unknown.message == "field label not supported: spec.size"
        shown = (await talk.get(WIDGETS, TABLE)).body
        assert [one["name"] for one in shown["columnDefinitions"]] == ["Name", "Size"]
        assert [row["cells"] for row in shown["rows"]] == [["a", 3], ["b", 7]]


async def test_a_kind_without_its_namespace_leads_nowhere() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await define(talk, definition("globes", "Globe", scope="Cluster", versions=[version()]))
        assert (await talk.post("/apis/example.com/v1/widgets", widget("a", {}))).status == 404
        assert (await talk.get("/apis/example.com/v1/namespaces/default/globes")).status == 404
        globe = {**widget("g", {}), "kind": "Globe"}
        assert (await talk.post("/apis/example.com/v1/globes", globe)).status == 201


async def test_a_list_says_of_each_object_what_it_is() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("a", {}))
        listed = (await talk.get(WIDGETS)).body
        assert (listed["kind"], listed["metadata"]["continue"]) == ("WidgetList", "")
        assert [(one["apiVersion"], one["kind"]) for one in listed["items"]] == [("example.com/v1", "Widget")]


async def test_a_rule_in_cel_is_kept() -> None:
    async with serving() as talk:
        rule = {"rule": "self.size <= 5 || self.name == 'big'", "message": "only big ones"}
        properties = {**SCHEMA["properties"]}
        properties["spec"] = {**properties["spec"], "x-kubernetes-validations": [rule]}
        await define(talk, definition(versions=[version(schema={**SCHEMA, "properties": properties})]))
        refused = await talk.post(WIDGETS, widget("a", {"size": 6, "name": "small"}))
        assert refused.message.endswith("spec: Invalid value: only big ones") or "only big ones" in refused.message
        assert (await talk.post(WIDGETS, widget("a", {"size": 6, "name": "big"}))).status == 201


async def _versions(talk: Talk, name: str) -> list[str]:
    return [
        (await talk.get(WIDGETS.replace("/v1/", f"/{one}/") + f"/{name}")).body["apiVersion"] for one in ("v1", "v2")
    ]


async def test_each_version_shows_the_objects_as_its_own() -> None:
    async with serving() as talk:
        other = {
            "type": "object",
            "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
        }
        old = version("v0", deprecated=True)
        await define(talk, definition(versions=[version(), version("v2", other), old]))
        await talk.post(WIDGETS, widget("a", {"name": "abc", "size": 4}))
        assert await _versions(talk, "a") == ["example.com/v1", "example.com/v2"]
        shown = await talk.get(WIDGETS.replace("/v1/", "/v2/") + "/a")
        assert shown.body["spec"] == {"size": 4}
        warned = await talk.get(WIDGETS.replace("/v1/", "/v0/") + "/a")
        told = ["example.com/v0 Widget is deprecated; use example.com/v2 Widget"]
        assert list(warned.response.warnings) == told
        nowhere = await talk.get(WIDGETS.replace("/v1/", "/v0/") + "/a/scale")
        assert (nowhere.status, list(nowhere.response.warnings)) == (404, told)
        watching = await talk.watch(WIDGETS.replace("/v1/", "/v2/"), resourceVersion="0")
        assert (await watching.next())[1]["apiVersion"] == "example.com/v2"
        await talk.patch(f"{WIDGETS}/a", {"spec": {"size": 5}})
        kind, changed = await watching.next()
        assert (kind, changed["apiVersion"], changed["spec"]) == ("MODIFIED", "example.com/v2", {"size": 5})


async def test_custom_resources_are_never_protobuf_but_their_metadata_may_be() -> None:
    protobuf = "application/vnd.kubernetes.protobuf"
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("a"))
        assert (await talk.get(f"{WIDGETS}/a", f"{protobuf},application/json")).body["kind"] == "Widget"
        assert (await talk.get(f"{WIDGETS}/a", protobuf)).status == 406
        assert (await talk.get(f"{WIDGETS}/nobody", protobuf)).status == 406
        partial = await talk.get(f"{WIDGETS}/a", f"{protobuf};as=PartialObjectMetadata;v=v1;g=meta.k8s.io")
        assert partial.response.content.startswith(b"k8s\x00\n'\n\x0emeta.k8s.io/v1\x12\x15PartialObjectMetadata")


async def test_an_update_is_asked_first_what_every_update_is_asked() -> None:
    async with serving() as talk:
        await define(talk, definition())
        assert (await talk.post(WIDGETS, widget("one", {"size": 3}))).status == 201
        refused = await talk.patch(f"{WIDGETS}/one", {"metadata": {"finalizers": ["a b"]}})
        assert (refused.status, len(refused.body["details"]["causes"])) == (422, 1)
        refused = await talk.patch(f"{WIDGETS}/one", {"metadata": {"labels": {"a b": "c"}}})
        assert (refused.status, len(refused.body["details"]["causes"])) == (422, 3)


@pytest.mark.parametrize("status", ["x", [], {"replicas": "many"}])
async def test_a_dropped_status_that_cannot_be_taken_apart_leaves_no_managers(status: Any) -> None:
    async with serving() as talk:
        await define(talk, definition(versions=[version(subresources={"status": {}})]))
        made = await talk.post(WIDGETS, widget("a", {"size": 1}, status=status), fieldManager="me")
        assert (made.status, "status" in made.body, "managedFields" in made.body["metadata"]) == (201, False, False)
        fine = await talk.post(WIDGETS, widget("b", {"size": 1}, status={"replicas": 1}), fieldManager="me")
        assert [one["manager"] for one in fine.body["metadata"]["managedFields"]] == ["me"]
        patched = await talk.patch(f"{WIDGETS}/b", {"spec": {"size": 2}, "status": status}, fieldManager="me")
        assert (patched.status, "managedFields" in patched.body["metadata"]) == (200, False)
