"""The life of a definition: its names, what it serves, its end."""

from __future__ import annotations

from typing import Any

from apiserver.custom.definitions import (
    DEFINITIONS,
    SCHEMA,
    WIDGETS,
    becomes,
    conditions,
    define,
    definition,
    gone,
    version,
    widget,
)
from apiserver.serving import MERGE_PATCH, Talk, serving
from pybernetes.store.memory import MemoryStore


async def test_a_definition_is_served_when_it_says_that_it_is_established() -> None:
    async with serving() as talk:
        found = await define(talk, definition())
        assert conditions(found) == {
            "NamesAccepted": ("True", "NoConflicts"),
            "Established": ("True", "InitialNamesAccepted"),
        }
        assert found["status"]["acceptedNames"] == found["spec"]["names"]
        assert (await talk.post(WIDGETS, widget("one", {}))).body["spec"] == {"size": 3}


async def test_a_name_is_given_to_one_definition_and_to_the_next_when_it_is_free_again() -> None:
    async with serving() as talk:
        await define(talk, definition())
        second = await define(talk, definition("gadgets", names={"plural": "gadgets", "kind": "Widget"}))
        assert conditions(second)["NamesAccepted"] == ("False", "ListKindConflict")
        assert conditions(second)["Established"] == ("False", "NotAccepted")
        assert (await talk.get("/apis/example.com/v1/namespaces/default/gadgets")).status == 404
        await talk.delete(f"{DEFINITIONS}/widgets.example.com")
        freed = await becomes(talk, "gadgets.example.com", "Established", "True")
        assert freed["status"]["acceptedNames"]["kind"] == "Widget"


async def test_the_end_of_a_definition_deletes_its_objects_and_waits_for_their_finalizers() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("free", {}))
        held = widget("held", {})
        held["metadata"]["finalizers"] = ["example.com/hold"]
        await talk.post(WIDGETS, held)
        deleted = await talk.delete(f"{DEFINITIONS}/widgets.example.com")
        assert conditions(deleted.body)["Terminating"] == ("True", "InstanceDeletionPending")
        assert deleted.body["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        await becomes(talk, "widgets.example.com", "Terminating", "True")
        refused = await talk.post(WIDGETS, widget("late", {}))
        why = "create not allowed while custom resource definition is terminating"
        assert refused.message == f'widgets.example.com "late" is forbidden: {why}'
        await talk.patch(f"{WIDGETS}/held", {"metadata": {"finalizers": None}})
        await gone(talk, "widgets.example.com")
        assert (await talk.get(WIDGETS)).status == 404
        assert (await talk.server.store.range("/registry/example.com/")).entries == []


async def test_objects_of_a_kind_that_is_not_served_any_more_go_with_their_definition() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("left", {}))
        unserved = [{**version(), "served": False}]
        await talk.patch(f"{DEFINITIONS}/widgets.example.com", {"spec": {"versions": unserved}})
        await talk.delete(f"{DEFINITIONS}/widgets.example.com")
        await gone(talk, "widgets.example.com")
        assert (await talk.server.store.range("/registry/example.com/")).entries == []


async def test_what_was_defined_is_served_after_a_restart() -> None:
    store = MemoryStore()
    async with serving(store) as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("kept", {}))
        await talk.delete("/api/v1/namespaces/default/serviceaccounts/default")
    async with serving(store) as talk:
        assert (await talk.get(f"{WIDGETS}/kept")).body["spec"] == {"size": 3}


async def test_a_server_beside_another_serves_what_the_other_was_told() -> None:
    store = MemoryStore()
    async with serving(store) as talk:
        await talk.delete("/api/v1/namespaces/default/serviceaccounts/default")
        async with serving(store) as other:
            await define(other, definition())
            await becomes(talk, "widgets.example.com", "Established", "True")
            await other.post(WIDGETS, widget("one", {}))
            while (found := await talk.get(f"{WIDGETS}/one")).status == 404:
                await talk.server.watch_cache.at_least(store.revision)
            assert found.body["spec"] == {"size": 3}


async def test_a_changed_schema_holds_at_once_and_for_what_is_stored() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("old", {"name": "abc"}))
        watching = await talk.watch(WIDGETS, resourceVersion="0")
        await watching.next()
        schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"added": _DEFAULTED}}}}
        changed = definition(versions=[version(schema=schema)])
        await talk.patch(f"{DEFINITIONS}/widgets.example.com", {"spec": {"versions": changed["spec"]["versions"]}})
        await _ended(watching)
        assert (await talk.get(f"{WIDGETS}/old")).body["spec"] == {"added": "new"}


_DEFAULTED = {"type": "string", "default": "new"}


async def _ended(watching: Any) -> None:
    """Clients of a kind that changes list again under its new schema."""
    async for _ in watching.stream:
        pass


async def test_a_definition_in_a_group_of_the_community_says_who_approved_it() -> None:
    async with serving() as talk:
        plain = definition(group="sigs.k8s.io")
        refused = await talk.post(DEFINITIONS, plain)
        assert refused.status == 422
        assert "protected groups must have approval annotation" in refused.message
        plain["metadata"]["annotations"] = {"api-approved.kubernetes.io": "unapproved, for a test"}
        found = await define(talk, plain)
        assert conditions(found)["KubernetesAPIApprovalPolicyConformant"] == ("False", "UnapprovedAnnotation")


async def test_what_identifies_a_served_kind_does_not_change() -> None:
    async with serving() as talk:
        await define(talk, definition())
        path = f"{DEFINITIONS}/widgets.example.com"
        scope = await talk.patch(path, {"spec": {"scope": "Cluster"}})
        assert scope.message.endswith('spec.scope: Invalid value: "Cluster": field is immutable')
        kind = await talk.patch(path, {"spec": {"names": {"kind": "Other"}}})
        assert 'spec.names.kind: Invalid value: "Other": field is immutable' in kind.message


async def test_a_version_that_was_stored_stays_until_nothing_is_stored_in_it() -> None:
    async with serving() as talk:
        await define(talk, definition(versions=[version(), version("v2")]))
        path = f"{DEFINITIONS}/widgets.example.com"
        moved = [{**version(), "storage": False}, {**version("v2"), "storage": True}]
        changed = await talk.patch(path, {"spec": {"versions": moved}})
        assert changed.body["status"]["storedVersions"] == ["v1", "v2"]
        refused = await talk.patch(path, {"spec": {"versions": moved[1:]}})
        assert "v1 was previously a storage version, and must remain in spec.versions" in refused.message
        await talk.patch(f"{path}/status", {"status": {"storedVersions": ["v2"]}}, MERGE_PATCH)
        assert (await talk.patch(path, {"spec": {"versions": moved[1:]}})).status == 200


async def test_discovery_tells_what_is_served_and_what_may_still_be_done() -> None:
    async with serving() as talk:
        await define(talk, definition(names={"plural": "widgets", "kind": "Widget", "shortNames": ["wd"]}))
        (resource,) = _resources(talk)
        assert resource.short_names == ("wd",)
        assert resource.verbs[:3] == ("delete", "deletecollection", "get")
        held = widget("held", {})
        held["metadata"]["finalizers"] = ["example.com/hold"]
        await talk.post(WIDGETS, held)
        await talk.delete(f"{DEFINITIONS}/widgets.example.com")
        await becomes(talk, "widgets.example.com", "Terminating", "True")
        while "create" in _resources(talk)[0].verbs:
            await talk.server.watch_cache.at_least(talk.server.store.revision)
        assert _resources(talk)[0].verbs == ("delete", "deletecollection", "get", "list", "watch")


def _resources(talk: Talk) -> Any:
    from pybernetes.apiserver.discovery.served import of_resources

    return [
        one for found in of_resources(talk.server.resources) if found.group == "example.com" for one in found.resources
    ]


def test_the_schema_of_these_tests_is_structural() -> None:
    from pybernetes.api.fields import at
    from pybernetes.apiserver.custom.structure import check_structural

    assert check_structural(SCHEMA, at) == []
