"""Scale, binding, eviction."""

from __future__ import annotations

from typing import Any

from apiserver.serving import JSON_PATCH, PARTIAL, PODS, STRATEGIC_PATCH, TABLE, Talk, pod, serving

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def deployment(name: str, replicas: int) -> dict[str, Any]:
    labels = {"app": name}
    containers = [{"name": "main", "image": "busybox"}]
    return {
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
    }


async def test_a_scale_shows_and_changes_the_replicas() -> None:
    async with serving() as talk:
        assert (await talk.post(DEPLOYMENTS, deployment("web", 2))).status == 201
        scale = (await talk.get(f"{DEPLOYMENTS}/web/scale")).body
        assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
        assert (scale["spec"], scale["status"]["selector"]) == ({"replicas": 2}, "app=web")
        scale["spec"]["replicas"] = 0
        assert (await talk.put(f"{DEPLOYMENTS}/web/scale", scale)).body["spec"] == {}
        after = (await talk.get(f"{DEPLOYMENTS}/web")).body
        assert (after["spec"]["replicas"], after["metadata"]["generation"]) == (0, 2)
        stale = await talk.put(f"{DEPLOYMENTS}/web/scale", scale)
        assert stale.status == 409
        patched = await talk.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": 5}})
        assert patched.body["spec"] == {"replicas": 5}
        operations = [{"op": "replace", "path": "/spec/replicas", "value": -1}]
        assert (await talk.patch(f"{DEPLOYMENTS}/web/scale", operations, JSON_PATCH)).status == 422


async def test_a_kind_without_a_scale_has_none() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one"))
        assert (await talk.get(f"{PODS}/one/scale")).status == 404


async def test_a_pod_is_bound_once() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one"))
        target = {"kind": "Node", "name": "node-1"}
        binding = {"kind": "Binding", "apiVersion": "v1", "metadata": {"name": "one"}, "target": target}
        done = await talk.post(f"{PODS}/one/binding", binding)
        assert (done.status, done.body["status"]) == (201, "Success")
        bound = (await talk.get(f"{PODS}/one")).body
        assert bound["spec"]["nodeName"] == "node-1"
        assert [(one["type"], one["status"]) for one in bound["status"]["conditions"]] == [("PodScheduled", "True")]
        again = await talk.post(f"{PODS}/one/binding", binding)
        assert again.status == 409
        assert again.message.endswith('pod one is already assigned to node "node-1"')
        other = {**binding, "metadata": {"name": "none"}}
        assert (await talk.post(f"{PODS}/none/binding", other)).status == 404
        assert (await talk.post(f"{PODS}/one/binding", other)).status == 400
        nowhere = await talk.post(f"{PODS}/one/binding", {**binding, "target": {}})
        assert (nowhere.status, nowhere.message) == (500, "target.name: Required value")


async def test_a_binding_is_for_the_pod_that_the_scheduler_saw() -> None:
    async with serving() as talk:
        seen = (await talk.post(PODS, pod("one"))).body["metadata"]
        target = {"kind": "Node", "name": "node-1"}
        for stated, what in (({"resourceVersion": "1"}, "ResourceVersion"), ({"uid": "another"}, "UID")):
            refused = await talk.post(f"{PODS}/one/binding", {"metadata": {"name": "one", **stated}, "target": target})
            assert refused.status == 409
            assert f"Precondition failed: {what} in precondition: {next(iter(stated.values()))}, " in refused.message
        unbound = (await talk.get(f"{PODS}/one")).body
        assert unbound["metadata"]["resourceVersion"] == seen["resourceVersion"]
        same = {"name": "one", "uid": seen["uid"], "resourceVersion": seen["resourceVersion"]}
        assert (await talk.post(f"{PODS}/one/binding", {"metadata": same, "target": target})).status == 201


async def test_a_binding_may_name_its_pod_itself() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one"))
        bindings = "/api/v1/namespaces/default/bindings"
        target = {"kind": "Node", "name": "node-1"}
        assert (await talk.get(bindings)).status == 405
        absent = await talk.post(bindings, {"metadata": {"name": "none"}, "target": target})
        assert (absent.status, absent.message) == (404, 'pods "none" not found')
        nameless = await talk.post(bindings, {"target": target})
        assert (nameless.status, nameless.message) == (400, "Name parameter required.")
        assert (await talk.post(bindings, {"metadata": {"name": "one"}, "target": target})).status == 201
        assert (await talk.get(f"{PODS}/one")).body["spec"]["nodeName"] == "node-1"


async def _budget(talk: Talk, allowed: int) -> None:
    path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    selector = {"matchLabels": {"app": "web"}}
    made = await talk.post(path, {"metadata": {"name": "pdb"}, "spec": {"minAvailable": 1, "selector": selector}})
    assert made.status == 201, made.message
    document = made.body
    document["status"] = {
        "observedGeneration": 1,
        "disruptionsAllowed": allowed,
        "currentHealthy": 1 + allowed,
        "desiredHealthy": 1,
        "expectedPods": 2,
    }
    assert (await talk.put(f"{path}/pdb/status", document)).status == 200


async def _running(talk: Talk, name: str) -> None:
    document = pod(name)
    document["metadata"]["labels"] = {"app": "web"}
    made = (await talk.post(PODS, document)).body
    made["status"]["phase"] = "Running"
    made["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    assert (await talk.put(f"{PODS}/{name}/status", made)).status == 200


async def test_an_eviction_takes_from_the_budget_until_it_is_spent() -> None:
    async with serving() as talk:
        await _budget(talk, 1)
        for name in ("one", "two"):
            await _running(talk, name)
        first = await talk.post(f"{PODS}/one/eviction", {"metadata": {"name": "one"}})
        assert (first.status, first.body["status"]) == (201, "Success")
        second = await talk.post(f"{PODS}/two/eviction", {"metadata": {"name": "two"}})
        assert second.status == 429
        assert second.message == "Cannot evict pod as it would violate the pod's disruption budget."
        [cause] = second.body["details"]["causes"]
        assert cause["reason"] == "DisruptionBudget"
        assert (await talk.get(f"{PODS}/two")).status == 200


async def test_an_eviction_without_a_budget_deletes() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one"))
        assert (await talk.post(f"{PODS}/one/eviction", {"metadata": {"name": "one"}})).status == 201
        assert (await talk.get(f"{PODS}/one")).status == 404


async def test_a_scale_is_shown_as_a_table_and_as_its_metadata() -> None:
    async with serving() as talk:
        deployments = "/apis/apps/v1/namespaces/default/deployments"
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
        spec = {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": template}
        made = await talk.post(deployments, {"metadata": {"name": "web"}, "spec": spec})
        assert made.status == 201, made.message
        shown = (await talk.get(f"{deployments}/web/scale", TABLE)).body
        assert [one["name"] for one in shown["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
        assert shown["rows"][0]["cells"][:3] == ["web", 3, 0]
        assert (await talk.get(f"{deployments}/web/scale", PARTIAL)).body["kind"] == "PartialObjectMetadata"


async def test_doors_to_a_pods_resources_and_its_ephemeral_containers_leave_its_metadata() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("web"))
        for door in ("resize", "ephemeralcontainers"):
            change = {"metadata": {"labels": {"a": "b"}}}
            changed = await talk.patch(f"{PODS}/web/{door}", change, STRATEGIC_PATCH, fieldManager="me")
            assert (changed.status, changed.body["metadata"].get("labels")) == (200, None)


async def test_a_namespace_is_finalized_only_by_names_that_somebody_can_own() -> None:
    async with serving() as talk:
        await talk.post("/api/v1/namespaces", {"metadata": {"name": "brief"}})
        wanted = {"metadata": {"name": "brief"}, "spec": {"finalizers": ["a"]}}
        refused = await talk.put("/api/v1/namespaces/brief/finalize", wanted)
        assert (refused.status, refused.message) == (
            422,
            'Namespace "brief" is invalid: spec.finalizers[0]: Invalid value: "a": '
            "name is neither a standard finalizer name nor is it fully qualified",
        )


async def test_an_eviction_is_warned_of_fields_that_it_has_not() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("web"))
        evicted = await talk.post(f"{PODS}/web/eviction", {"metadata": {"name": "web"}, "foo": 1})
        assert (evicted.status, evicted.response.warnings) == (201, ('unknown field "foo"',))


async def test_a_scale_that_a_patch_makes_no_scale_is_shown_with_its_managers() -> None:
    async with serving() as talk:
        await talk.post(DEPLOYMENTS, deployment("web", 2))
        refused = await talk.patch(f"{DEPLOYMENTS}/web/scale", {"spec": {"replicas": "x"}})
    assert refused.status == 422
    shown = refused.message.replace('\\"', '"')
    assert shown.startswith(' "" is invalid: patch: Invalid value: "{"apiVersion":"autoscaling/v1","kind":"Scale",')
    assert '"managedFields":[{"manager":' in shown
    assert shown.endswith("cannot unmarshal string into Go struct field ScaleSpec.spec.replicas of type int32")
