"""Who manages what, from the first write on, as the API tells it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import CONFIG_MAPS, PODS, STRATEGIC_PATCH, Talk, config_map, pod, serving

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
APPLY = "application/apply-patch+yaml"


def _deployment(replicas: int | None = None, **metadata: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "web"}}, "template": template}
    if replicas is not None:
        spec["replicas"] = replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", **metadata}, "spec": spec}


def _entries(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (one["manager"], one["operation"], one.get("subresource", ""))
        for one in document["metadata"].get("managedFields", ())
    ]


async def test_who_creates_manages_what_the_body_and_the_defaults_say() -> None:
    async with serving() as talk:
        agent = {"user-agent": "maker/1.2 (linux)"}
        made = await talk.send("POST", CONFIG_MAPS, config_map("web", {"l": "m"}, b="1", a="2"), agent)
        (entry,) = made.body["metadata"]["managedFields"]
        assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("maker", "Update", "v1")
        assert entry["fieldsV1"] == {
            "f:data": {".": {}, "f:a": {}, "f:b": {}},
            "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
        }
        assert list(entry) == ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1"]
        assert list(entry["fieldsV1"]["f:data"]) == [".", "f:a", "f:b"]


async def test_ports_stand_in_the_order_of_their_numbers() -> None:
    async with serving() as talk:
        containers = [{"name": "c", "image": "i", "ports": [{"containerPort": 443}, {"containerPort": 80}]}]
        made = await talk.post(PODS, pod("one", containers=containers))
        fields = made.body["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"c"}']
        assert list(fields["f:ports"]) == [
            ".",
            'k:{"containerPort":80,"protocol":"TCP"}',
            'k:{"containerPort":443,"protocol":"TCP"}',
        ]


async def test_writers_of_the_status_are_told_apart_and_spec_is_not_theirs() -> None:
    async with serving() as talk:
        await talk.post(PODS, pod("one"), fieldManager="maker")
        patch = {"status": {"phase": "Running"}, "spec": {"hostname": "x"}}
        done = await talk.patch(f"{PODS}/one/status", patch, STRATEGIC_PATCH, fieldManager="kubelet")
        assert _entries(done.body) == [("kubelet", "Update", "status"), ("maker", "Update", "")]
        (status,) = (one for one in done.body["metadata"]["managedFields"] if one.get("subresource"))
        assert status["fieldsV1"] == {"f:status": {"f:phase": {}}}


async def test_a_binding_and_a_write_without_a_change_tell_of_nobody() -> None:
    async with serving() as talk:
        made = await talk.post(PODS, pod("one"), fieldManager="maker")
        same = await talk.patch(f"{PODS}/one", {"metadata": {"labels": None}}, fieldManager="idle")
        assert same.version == made.version
        await talk.post(f"{PODS}/one/binding", {"metadata": {"name": "one"}, "target": {"name": "n"}})
        assert _entries((await talk.get(f"{PODS}/one")).body) == [("maker", "Update", "")]


@pytest.mark.parametrize("reset", [[], [{}]])
async def test_an_empty_list_forgets_the_managers_for_good(reset: list[Any]) -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web", a="1"))
        path = f"{CONFIG_MAPS}/web"
        assert not _entries((await talk.patch(path, {"metadata": {"managedFields": reset}})).body)
        assert not _entries((await talk.patch(path, {"data": {"b": "2"}})).body)
        applied = await talk.patch(path, config_map("web", a="1"), APPLY, fieldManager="me")
        assert _entries(applied.body) == [("me", "Apply", ""), ("before-first-apply", "Update", "")]


async def test_managers_stand_last_however_they_were_sent() -> None:
    async with serving() as talk:
        made = (await talk.post(CONFIG_MAPS, config_map("web", a="1"))).body
        metadata = made["metadata"]
        sent = {**made, "metadata": {"managedFields": metadata["managedFields"], **metadata, "labels": {"a": "b"}}}
        replaced = await talk.put(f"{CONFIG_MAPS}/web", sent)
        assert (replaced.status, list(replaced.body["metadata"])[-1]) == (200, "managedFields")


async def test_what_clients_make_up_as_managers_is_left_alone() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web", a="1"), fieldManager="maker")
        strange = {"metadata": {"managedFields": [{"manager": "x", "operation": "Guess", "apiVersion": "v1"}]}}
        patched = await talk.patch(f"{CONFIG_MAPS}/web", strange)
        assert patched.body["metadata"]["managedFields"] == made.body["metadata"]["managedFields"]


async def test_who_scales_manages_the_replicas() -> None:
    async with serving() as talk:
        await talk.post(DEPLOYMENTS, _deployment(2), fieldManager="maker")
        scale = {"metadata": {"name": "web"}, "spec": {"replicas": 5}}
        assert (await talk.put(f"{DEPLOYMENTS}/web/scale", scale, fieldManager="scaler")).status == 200
        scaled = (await talk.get(f"{DEPLOYMENTS}/web")).body
        assert _entries(scaled) == [("scaler", "Update", "scale"), ("maker", "Update", "")]
        assert "f:replicas" not in scaled["metadata"]["managedFields"][1]["fieldsV1"]["f:spec"]
        wanted = {"apiVersion": "autoscaling/v1", "kind": "Scale", **scale, "spec": {"replicas": 7}}
        refused = await talk.patch(f"{DEPLOYMENTS}/web/scale", wanted, APPLY, fieldManager="me")
        assert refused.status == 409
        assert refused.message == (
            'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using autoscaling/v1: '
            ".spec.replicas"
        )
        taken = await talk.patch(f"{DEPLOYMENTS}/web/scale", wanted, APPLY, fieldManager="me", force="true")
        assert taken.body["spec"] == {"replicas": 7}
        assert _entries((await talk.get(f"{DEPLOYMENTS}/web")).body)[0] == ("me", "Apply", "scale")


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        (
            {"bogus": 1},
            500,
            "failed to create typed patch object (/web; /v1, Kind=ConfigMap): .bogus: field not declared",
        ),
        ({"kind": "Secret"}, 400, "invalid object type: /v1, Kind=Secret"),
        ({"metadata": {"name": "web", "managedFields": []}}, 400, "metadata.managedFields must be nil"),
        (
            {"metadata": {"name": "other"}},
            400,
            "the name of the object (other) does not match the name on the URL (web)",
        ),
        ({"metadata": {}}, 400, "the name of the object (web based on URL) was undeterminable: name must be provided"),
    ],
)
async def test_a_configuration_that_is_none_is_refused(change: dict[str, Any], code: int, message: str) -> None:
    async with serving() as talk:
        config = {**config_map("web", a="1"), **change}
        refused = await talk.patch(f"{CONFIG_MAPS}/web", config, APPLY, fieldManager="me")
        assert (refused.status, message in refused.message) == (code, True), refused.message
        assert (await talk.get(f"{CONFIG_MAPS}/web")).status == 404


async def _client_applied(talk: Talk) -> None:
    """As kubectl applies by itself: the annotation, and the manager of that name."""
    annotation = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"web"},"data":{"a":"1"}}\n'
    made = {"kubectl.kubernetes.io/last-applied-configuration": annotation}
    document = config_map("web", a="1")
    document["metadata"]["annotations"] = made
    await talk.post(CONFIG_MAPS, document, fieldManager="kubectl-client-side-apply")


async def test_kubectl_takes_over_what_it_applied_as_a_client() -> None:
    async with serving() as talk:
        await _client_applied(talk)
        path, config = f"{CONFIG_MAPS}/web", config_map("web", a="2")
        assert (await talk.patch(path, config, APPLY, fieldManager="somebody")).status == 409
        taken = await talk.patch(path, config, APPLY, fieldManager="kubectl")
        assert (taken.status, taken.body["data"]) == (200, {"a": "2"})
        (annotation,) = taken.body["metadata"]["annotations"].values()
        assert '"data":{"a":"2"}' in annotation


async def test_the_annotation_of_client_side_apply_is_kept_up_as_gos_encoder_writes() -> None:
    async with serving() as talk:
        await _client_applied(talk)
        taken = await talk.patch(f"{CONFIG_MAPS}/web", config_map("web", a="<b> & c"), APPLY, fieldManager="kubectl")
        (annotation,) = taken.body["metadata"]["annotations"].values()
        assert '"data":{"a":"\\u003cb\\u003e \\u0026 c"}' in annotation


async def test_a_list_that_is_stated_to_be_empty_is_managed_where_it_would_be_null() -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
    async with serving() as talk:
        bare = await talk.post(roles, {"metadata": {"name": "bare"}}, fieldManager="me")
        assert "managedFields" not in bare.body["metadata"]
        stated = await talk.post(roles, {"metadata": {"name": "stated"}, "rules": []}, fieldManager="me")
        [entry] = stated.body["metadata"]["managedFields"]
        assert entry["fieldsV1"] == {"f:rules": {}}
        ranges = "/api/v1/namespaces/default/limitranges"
        made = await talk.post(ranges, {"metadata": {"name": "r", "labels": {"a": "b"}}}, fieldManager="me")
        changed = await talk.put(f"{ranges}/r", {**made.body, "spec": {"limits": []}}, fieldManager="you")
        assert changed.body["metadata"]["managedFields"][1]["fieldsV1"] == {"f:spec": {"f:limits": {}}}


async def test_what_the_server_sets_is_nobodys_field_though_a_client_sent_it() -> None:
    sent = {"name": "sent", "deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}
    async with serving() as talk:
        answer = await talk.post("/api/v1/namespaces/default/configmaps", {"metadata": sent, "data": {"a": "b"}})
    assert answer.status == 201
    assert [entry["fieldsV1"] for entry in answer.body["metadata"]["managedFields"]] == [
        {"f:data": {".": {}, "f:a": {}}}
    ]


@pytest.mark.parametrize(
    ("media_type", "patch"),
    [
        ("application/merge-patch+json", {"endpoints": []}),
        (STRATEGIC_PATCH, {"endpoints": []}),
        ("application/json-patch+json", [{"op": "remove", "path": "/endpoints/0"}]),
        ("application/json-patch+json", [{"op": "add", "path": "/endpoints", "value": []}]),
    ],
)
async def test_who_patches_a_list_to_be_empty_manages_it(media_type: str, patch: Any) -> None:
    async with serving() as talk:
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        endpoints = [{"addresses": ["10.0.0.1"]}]
        made = {"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": endpoints, "ports": []}
        await talk.post(slices, made, fieldManager="maker")
        done = await talk.patch(f"{slices}/s", patch, media_type, fieldManager="me")
        maker, me = done.body["metadata"]["managedFields"]
        assert maker["fieldsV1"] == {"f:addressType": {}, "f:ports": {}}
        assert me["fieldsV1"] == {"f:endpoints": {}}
        later = await talk.patch(f"{slices}/s", {"metadata": {"annotations": {"a": "[]"}}}, STRATEGIC_PATCH)
        assert [one["manager"] for one in later.body["metadata"]["managedFields"]][:2] == ["maker", "me"]


async def test_a_list_that_is_stated_to_be_empty_within_a_whole_field_changes_that_field() -> None:
    policies = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies"
    ports = [{"port": 80, "protocol": "TCP"}]
    policy = {"metadata": {"name": "web"}, "spec": {"podSelector": {}, "ingress": [{"ports": ports}]}}
    async with serving() as talk:
        made = await talk.post(policies, policy, fieldManager="first")
        assert made.status == 201
        same = await talk.put(f"{policies}/web", policy, fieldManager="second")
        assert [one["manager"] for one in same.body["metadata"]["managedFields"]] == ["first"]
        stated = {**policy, "spec": {"podSelector": {}, "ingress": [{"ports": ports, "from": []}]}}
        changed = await talk.put(f"{policies}/web", stated, fieldManager="second")
        owned = {
            one["manager"]: "f:ingress" in one["fieldsV1"]["f:spec"]
            for one in changed.body["metadata"]["managedFields"]
        }
        assert (owned, changed.body["spec"]["ingress"]) == ({"first": False, "second": True}, [{"ports": ports}])
        patch = [{"op": "add", "path": "/spec/ingress/0/from", "value": []}]
        patched = await talk.patch(f"{policies}/web", patch, "application/json-patch+json", fieldManager="third")
        owned = {
            one["manager"]: "f:ingress" in one["fieldsV1"]["f:spec"]
            for one in patched.body["metadata"]["managedFields"]
        }
        assert owned == {"first": False, "third": True}
