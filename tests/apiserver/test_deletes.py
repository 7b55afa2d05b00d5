"""Deletion: at once, gracefully, by finalizers, by propagation; and of many."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import CONFIG_MAPS, PODS, TABLE, Talk, config_map, pod, serving


def _names(document: Any) -> list[str]:
    return [item["metadata"]["name"] for item in document["items"]]


async def _finalized(talk: Talk, name: str, *finalizers: str) -> None:
    document = config_map(name)
    document["metadata"]["finalizers"] = list(finalizers)
    assert (await talk.post(CONFIG_MAPS, document)).status == 201


async def test_a_deletion_answers_with_a_status_that_names_what_went() -> None:
    async with serving() as talk:
        uid = (await talk.post(CONFIG_MAPS, config_map("web"))).body["metadata"]["uid"]
        gone = await talk.delete(f"{CONFIG_MAPS}/web")
        assert (gone.status, gone.body["status"]) == (200, "Success")
        assert gone.body["details"] == {"name": "web", "kind": "configmaps", "uid": uid}
        assert (await talk.delete(f"{CONFIG_MAPS}/web")).status == 404


async def test_a_pod_that_no_node_has_goes_at_once() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one"))
        gone = await talk.delete(f"{PODS}/one")
        assert (gone.status, gone.body["kind"]) == (200, "Pod")
        assert (await talk.get(f"{PODS}/one")).status == 404


async def test_a_pod_on_a_node_is_given_its_grace_and_repeats_only_shorten_it() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one", nodeName="node-1", terminationGracePeriodSeconds=20))
        first = (await talk.delete(f"{PODS}/one")).body["metadata"]
        assert first["deletionGracePeriodSeconds"] == 20
        assert first["deletionTimestamp"]
        longer = (await talk.delete(f"{PODS}/one", {"gracePeriodSeconds": 60})).body["metadata"]
        assert longer["deletionTimestamp"] == first["deletionTimestamp"]
        shorter = (await talk.delete(f"{PODS}/one", {"gracePeriodSeconds": 5})).body["metadata"]
        assert shorter["deletionGracePeriodSeconds"] == 5
        assert shorter["deletionTimestamp"] < first["deletionTimestamp"]
        await talk.delete(f"{PODS}/one", {"gracePeriodSeconds": 0})
        assert (await talk.get(f"{PODS}/one")).status == 404


async def test_finalizers_keep_an_object_until_the_last_is_removed() -> None:
    async with serving() as talk:
        await _finalized(talk, "web", "example.com/a")
        marked = await talk.delete(f"{CONFIG_MAPS}/web")
        assert marked.status == 200
        assert marked.body["metadata"]["deletionTimestamp"]
        added = await talk.patch(f"{CONFIG_MAPS}/web", {"metadata": {"finalizers": ["example.com/a", "example.com/b"]}})
        assert added.status == 422
        removed = await talk.patch(f"{CONFIG_MAPS}/web", {"metadata": {"finalizers": None}})
        assert removed.status == 200
        assert (await talk.get(f"{CONFIG_MAPS}/web")).status == 404


async def test_the_deletion_event_of_a_finalized_object_comes_with_its_last_update() -> None:
    async with serving() as talk:
        await _finalized(talk, "web", "example.com/a")
        watch = await talk.watch(CONFIG_MAPS, resourceVersion=str(talk.server.store.revision))
        await talk.delete(f"{CONFIG_MAPS}/web")
        await talk.patch(f"{CONFIG_MAPS}/web", {"metadata": {"finalizers": None}})
        assert await watch.names(2) == [("MODIFIED", "web"), ("DELETED", "web")]


async def test_propagation_policies_are_finalizers() -> None:
    async with serving() as talk:
        for name, policy, finalizer in (
            ("a", "Foreground", "foregroundDeletion"),
            ("b", "Orphan", "orphan"),
        ):
            await talk.post(CONFIG_MAPS, config_map(name))
            marked = await talk.delete(f"{CONFIG_MAPS}/{name}", {"propagationPolicy": policy})
            assert marked.body["metadata"]["finalizers"] == [finalizer]
        await talk.post(CONFIG_MAPS, config_map("c"))
        assert (await talk.delete(f"{CONFIG_MAPS}/c", propagationPolicy="Background")).body["status"] == "Success"
        unknown = await talk.delete(f"{CONFIG_MAPS}/a", {"propagationPolicy": "Sideways"})
        assert unknown.status == 422


async def test_dependents_that_are_not_to_be_orphaned_answer_accepted() -> None:
    async with serving() as talk:
        await _finalized(talk, "web", "example.com/a")
        assert (await talk.delete(f"{CONFIG_MAPS}/web", {"orphanDependents": False})).status == 202


async def test_preconditions_must_hold() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web"))
        other = await talk.delete(f"{CONFIG_MAPS}/web", {"preconditions": {"uid": "other"}})
        assert (other.status, other.body["reason"]) == (409, "Conflict")
        assert "the UID in the precondition (other) does not match the UID in record" in other.message
        stale = await talk.delete(f"{CONFIG_MAPS}/web", {"preconditions": {"resourceVersion": "1"}})
        assert stale.status == 409
        right = {"uid": made.body["metadata"]["uid"], "resourceVersion": made.version}
        assert (await talk.delete(f"{CONFIG_MAPS}/web", {"preconditions": right})).status == 200


async def test_a_collection_is_deleted_as_far_as_it_is_selected() -> None:
    async with serving() as talk:
        for name, app in (("a", "web"), ("b", "web"), ("c", "api")):
            await talk.post(CONFIG_MAPS, config_map(name, {"app": app}))
        gone = await talk.delete(CONFIG_MAPS, labelSelector="app=web")
        assert _names(gone.body) == ["a", "b"]
        assert _names((await talk.get(CONFIG_MAPS)).body) == ["c"]


async def test_a_dry_deletion_deletes_nothing() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        assert (await talk.delete(f"{CONFIG_MAPS}/web", {"dryRun": ["All"]})).status == 200
        assert (await talk.get(f"{CONFIG_MAPS}/web")).status == 200


async def test_a_namespace_terminates_takes_nothing_new_and_goes_when_finalized() -> None:
    async with serving() as talk:
        await talk.post("/api/v1/namespaces", {"metadata": {"name": "brief"}})
        marked = await talk.delete("/api/v1/namespaces/brief")
        assert marked.body["status"]["phase"] == "Terminating"
        late = await talk.post("/api/v1/namespaces/brief/configmaps", config_map("web"))
        assert (late.status, late.body["reason"]) == (403, "Forbidden")
        assert late.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
        document = (await talk.get("/api/v1/namespaces/brief")).body
        document["spec"]["finalizers"] = []
        assert (await talk.put("/api/v1/namespaces/brief/finalize", document)).status == 200
        assert (await talk.get("/api/v1/namespaces/brief")).status == 404


async def test_some_namespaces_never_go() -> None:
    async with serving() as talk:
        refused = await talk.delete("/api/v1/namespaces/kube-system")
        assert (refused.status, "this namespace may not be deleted" in refused.message) == (403, True)


async def test_system_priority_classes_never_go() -> None:
    async with serving() as talk:
        refused = await talk.delete("/apis/scheduling.k8s.io/v1/priorityclasses/system-node-critical")
        assert refused.status == 403
        assert refused.message == (
            'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: '
            "this is a system priority class and cannot be deleted"
        )


async def test_namespaces_tell_of_preconditions_in_their_own_words() -> None:
    async with serving() as talk:
        made = await talk.post("/api/v1/namespaces", {"metadata": {"name": "brief"}})
        uid, version = made.body["metadata"]["uid"], made.version
        of_version = f"ResourceVersion in precondition: 1, ResourceVersion in object meta: {version}"
        for wanted, why in (
            ({"uid": "x"}, f"UID in precondition: x, UID in object meta: {uid}"),
            ({"resourceVersion": "1"}, of_version),
        ):
            refused = await talk.delete("/api/v1/namespaces/brief", {"apiVersion": "v1", "preconditions": wanted})
            assert (refused.status, refused.message) == (
                409,
                f'Operation cannot be fulfilled on namespaces "brief": Precondition failed: {why}',
            )


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"uid": "another"}, 409),
        ({"resourceVersion": "1"}, 409),
        ({"gracePeriodSeconds": ""}, 400),
        ({"gracePeriodSeconds": "9" * 20}, 400),
        ({"uid": "", "resourceVersion": ""}, 200),
    ],
)
async def test_the_query_says_as_much_as_a_body(query: dict[str, str], status: int) -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("one"))
        assert (await talk.delete(f"{CONFIG_MAPS}/one", **query)).status == status


async def test_a_further_deletion_of_a_pod_without_grace_chooses_another_propagation() -> None:
    async with serving() as talk:
        made = {
            "metadata": {"name": "web", "finalizers": ["example.com/f"]},
            "spec": {"containers": [{"name": "c", "image": "i"}]},
        }
        await talk.post("/api/v1/namespaces/default/pods", made)
        path = "/api/v1/namespaces/default/pods/web"
        await talk.delete(path)
        again = await talk.delete(path, {"propagationPolicy": "Foreground"})
        assert again.body["metadata"]["finalizers"] == ["example.com/f", "foregroundDeletion"]


async def test_a_further_deletion_of_a_namespace_that_is_held_changes_nothing() -> None:
    async with serving() as talk:
        await talk.post("/api/v1/namespaces", {"metadata": {"name": "web"}})
        gone = (await talk.delete("/api/v1/namespaces/web")).body
        again = await talk.delete("/api/v1/namespaces/web", {"propagationPolicy": "Foreground"})
        assert again.body["metadata"] == gone["metadata"]


async def test_an_empty_list_that_is_null_is_null_in_a_tables_objects_too() -> None:
    async with serving() as talk:
        drivers = [{"name": "d.example.com", "nodeID": "n"}]
        path = "/apis/storage.k8s.io/v1/csinodes"
        await talk.post(path, {"metadata": {"name": "web"}, "spec": {"drivers": drivers}})
        table = await talk.get(path, TABLE, includeObject="Object")
        assert table.body["rows"][0]["object"]["spec"]["drivers"][0]["topologyKeys"] is None
