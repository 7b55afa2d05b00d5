"""Server-side apply through the door: who owns what, and who may take it."""

from __future__ import annotations

from typing import Any

from apiserver.serving import CONFIG_MAPS, Answer, Talk, config_map, serving

APPLY = "application/apply-patch+yaml"


async def _apply(talk: Talk, manager: str, data: dict[str, str], **query: str) -> Answer:
    document: dict[str, Any] = config_map("web", **data)
    return await talk.patch(f"{CONFIG_MAPS}/web", document, APPLY, fieldManager=manager, **query)


async def test_an_apply_creates_what_is_not_there_and_says_who_did() -> None:
    async with serving() as talk:
        made = await _apply(talk, "me", {"a": "1"})
        assert made.status == 201
        [entry] = made.body["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"]) == ("me", "Apply")
        assert entry["fieldsV1"] == {"f:data": {"f:a": {}}}


async def test_what_a_manager_no_longer_names_goes() -> None:
    async with serving() as talk:
        await _apply(talk, "me", {"a": "1", "b": "2"})
        assert (await _apply(talk, "me", {"b": "2"})).body["data"] == {"b": "2"}


async def test_a_field_of_another_manager_is_a_conflict_unless_forced() -> None:
    async with serving() as talk:
        await _apply(talk, "me", {"a": "1"})
        refused = await _apply(talk, "you", {"a": "2"})
        assert (refused.status, refused.body["reason"]) == (409, "Conflict")
        assert refused.body["details"]["causes"] == [
            {"reason": "FieldManagerConflict", "message": 'conflict with "me"', "field": ".data.a"}
        ]
        taken = await _apply(talk, "you", {"a": "2"}, force="true")
        assert taken.body["data"] == {"a": "2"}
        assert [entry["manager"] for entry in taken.body["metadata"]["managedFields"]] == ["you"]


async def test_an_apply_that_changes_nothing_is_not_written() -> None:
    async with serving() as talk:
        made = await _apply(talk, "me", {"a": "1"})
        assert (await _apply(talk, "me", {"a": "1"})).version == made.version


async def test_an_update_by_other_means_takes_the_fields_it_changes() -> None:
    async with serving() as talk:
        await _apply(talk, "me", {"a": "1", "b": "1"})
        changed = await talk.patch(f"{CONFIG_MAPS}/web", {"data": {"a": "2"}}, fieldManager="editor")
        owners = {entry["manager"]: entry["fieldsV1"] for entry in changed.body["metadata"]["managedFields"]}
        assert owners == {"me": {"f:data": {"f:b": {}}}, "editor": {"f:data": {"f:a": {}}}}
        assert (await _apply(talk, "me", {"a": "1", "b": "1"})).status == 409


async def test_applying_over_an_object_made_otherwise_meets_who_made_it() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web", a="1"), fieldManager="maker")
        refused = await _apply(talk, "me", {"a": "2"})
        assert refused.message == 'Apply failed with 1 conflict: conflict with "maker" using v1: .data.a'


async def test_applying_over_an_object_that_nobody_manages_meets_its_first_owner() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web", a="1"))
        reset = await talk.patch(f"{CONFIG_MAPS}/web", {"metadata": {"managedFields": [{}]}})
        assert "managedFields" not in reset.body["metadata"]
        assert 'conflict with "before-first-apply"' in (await _apply(talk, "me", {"a": "2"})).message
        assert (await _apply(talk, "me", {"a": "1", "b": "2"})).body["data"] == {"a": "1", "b": "2"}


async def test_an_apply_needs_a_manager_and_only_an_apply_can_be_forced() -> None:
    async with serving() as talk:
        nobody = await talk.patch(f"{CONFIG_MAPS}/web", config_map("web"), APPLY)
        assert (nobody.status, "fieldManager: Required value: is required for apply patch" in nobody.message) == (
            422,
            True,
        )
        forced = await talk.patch(f"{CONFIG_MAPS}/web", {}, force="true")
        assert (forced.status, "force: Forbidden" in forced.message) == (422, True)


async def test_a_value_that_cannot_be_read_is_refused_as_upstream_does() -> None:
    async with serving() as talk:
        sent = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "binaryData": {"a": "!"}}
        refused = await talk.patch(f"{CONFIG_MAPS}/c", sent, kind="application/apply-patch+yaml", fieldManager="x")
        assert (refused.status, refused.message) == (
            500,
            "failed to convert new object (/c; /v1, Kind=ConfigMap) to proper version: unable to convert unstructured "
            "object to /v1, Kind=ConfigMap: error decoding from json: illegal base64 data at input byte 0",
        )
