"""Writes with odd metadata, statuses and subresources, each answered as kube-apiserver answers it."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import CONFIG_MAPS, Talk, config_map, serving

PODS = "/api/v1/namespaces/default/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
CONTAINER = {"name": "c", "image": "i"}


def pod(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"containers": [CONTAINER], **spec}}


async def reported(talk: Talk, **status: Any) -> Any:
    """What becomes of a status that somebody sends of a new pod."""
    made = (await talk.post(PODS, pod(nodeName="n"))).body
    return await talk.put(f"{PODS}/web/status", {**made, "status": status})


@pytest.mark.parametrize(
    ("version", "code", "message"),
    [
        ("9" * 30, 500, f'strconv.ParseUint: parsing "{"9" * 30}": value out of range'),
        ("x", 500, 'strconv.ParseUint: parsing "x": invalid syntax'),
        (
            "0",
            422,
            'leases.coordination.k8s.io "web" is invalid: metadata.resourceVersion: Invalid value: 0: '
            "must be specified for an update",
        ),
    ],
)
async def test_a_stated_version_is_read_as_a_number(version: str, code: int, message: str) -> None:
    async with serving() as talk:
        made = (await talk.post(LEASES, {"metadata": {"name": "web"}, "spec": {}})).body
        refused = await talk.put(f"{LEASES}/web", {**made, "metadata": {"name": "web", "resourceVersion": version}})
        assert (refused.status, refused.message) == (code, message)


@pytest.mark.parametrize(("dry_run", "key"), [({"dryRun": "All"}, ""), ({}, "/registry")])
async def test_a_dry_run_names_the_key_without_the_stores_prefix(dry_run: dict[str, str], key: str) -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        refused = await talk.put(f"{CONFIG_MAPS}/web", {"metadata": {"name": "web", "uid": "u"}}, **dry_run)
        assert refused.status == 409
        assert f"Key: {key}/configmaps/default/web, " in refused.message


async def test_a_link_of_old_stays_with_the_object() -> None:
    async with serving() as talk:
        made = (await talk.post(CONFIG_MAPS, config_map("web"))).body
        made["metadata"]["selfLink"] = "a"
        assert (await talk.put(f"{CONFIG_MAPS}/web", made)).body["metadata"]["selfLink"] == "a"


async def test_the_grace_of_what_is_being_deleted_is_no_clients_to_change() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, {"metadata": {"name": "web", "finalizers": ["example.com/f"]}})
        going = (await talk.delete(f"{CONFIG_MAPS}/web")).body
        going["metadata"]["deletionGracePeriodSeconds"] = 5
        refused = await talk.put(f"{CONFIG_MAPS}/web", going)
        assert refused.status == 422
        assert "metadata.deletionGracePeriodSeconds: Invalid value: 5: field is immutable" in refused.message


async def test_a_pods_addresses_are_aligned_before_they_are_managed() -> None:
    async with serving() as talk:
        answer = await reported(talk, podIP="10.0.0.9")
        assert answer.body["status"]["podIPs"] == [{"ip": "10.0.0.9"}]
        managed = answer.body["metadata"]["managedFields"][-1]["fieldsV1"]["f:status"]
        assert managed["f:podIPs"] == {".": {}, 'k:{"ip":"10.0.0.9"}': {".": {}, "f:ip": {}}}


async def test_what_is_told_of_containers_is_judged() -> None:
    device = {"name": "claim:x", "resources": [{"resourceID": "a", "health": "Fine", "message": ""}]}
    told = {"name": "c", "user": {"linux": {"uid": -1, "gid": 0}}, "allocatedResourcesStatus": [device]}
    async with serving() as talk:
        refused = await reported(talk, containerStatuses=[told], podIPs=[{"ip": "10.0.0.9"}, {"ip": "x"}])
        causes = [(cause["field"], cause["message"].partition(":")[0]) for cause in refused.body["details"]["causes"]]
        assert causes == [
            ("status.podIPs[1]", "Invalid value"),
            ("status.podIPs", "Internal error"),
            ("status.podIPs", "Invalid value"),
            ("status.containerStatuses[0].user.linux.uid", "Invalid value"),
            ("status.containerStatuses[0].allocatedResourcesStatus[0].name", "Invalid value"),
            ("status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health", "Unsupported value"),
            ("status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].message", "Required value"),
        ]


async def test_an_address_in_an_odd_form_is_warned_of() -> None:
    async with serving() as talk:
        answer = await reported(talk, podIP="2001:DB8::1")
        assert answer.response.warnings == (
            'status.podIPs[0].ip: IPv6 address "2001:DB8::1" should be in RFC 5952 canonical format ("2001:db8::1")',
        )


async def test_who_states_a_field_of_a_feature_that_is_off_manages_it() -> None:
    async with serving() as talk:
        made = (await talk.post(PODS, pod(containers=[{**CONTAINER, "lifecycle": {"stopSignal": "SIGTERM"}}]))).body
        assert "lifecycle" not in made["spec"]["containers"][0]
        managed = made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]
        assert managed['k:{"name":"c"}']["f:lifecycle"] == {".": {}, "f:stopSignal": {}}


async def test_a_scales_metadata_is_judged() -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [CONTAINER]}}
    async with serving() as talk:
        await talk.post(CONTROLLERS, {"metadata": {"name": "web"}, "spec": {"template": template}})
        scale = {"metadata": {"name": "web", "labels": {"a b": "c"}}, "spec": {"replicas": -1}}
        refused = await talk.put(f"{CONTROLLERS}/web/scale", scale)
        fields = [cause["field"] for cause in refused.body["details"]["causes"]]
        assert fields == ["metadata.labels", "spec.replicas"]


@pytest.mark.parametrize(
    ("path", "body", "warning"),
    [
        ("web/binding", {"metadata": {"name": "web"}, "target": {"kind": "Node", "name": "n", "x": 1}}, "target.x"),
        ("web/eviction", {"metadata": {"name": "web"}, "x": 1}, "x"),
    ],
)
async def test_unknown_fields_are_warned_of_at_every_door(path: str, body: Any, warning: str) -> None:
    async with serving() as talk:
        await talk.post(PODS, pod())
        answer = await talk.post(f"{PODS}/{path}", body)
        assert answer.response.warnings == (f'unknown field "{warning}"',)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"metadata": {"name": "web", "namespace": "other"}},
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            {
                "metadata": {"name": "web"},
                "deleteOptions": {"ignoreStoreReadErrorWithClusterBreakingPotential": True},
            },
            422,
            'Eviction.policy "web" is invalid: deleteOptions.ignoreStoreReadErrorWithClusterBreakingPotential: '
            "Invalid value: true: can not be set for pod eviction, try after removing the option",
        ),
        (
            {"metadata": {"name": "web"}, "deleteOptions": {"dryRun": ["All", "All"]}},
            500,
            "Non-matching dry-run options in request and content: [All] and [All All]",
        ),
    ],
)
async def test_an_eviction_that_means_something_else_is_refused(body: Any, code: int, message: str) -> None:
    async with serving() as talk:
        await talk.post(PODS, pod())
        refused = await talk.post(f"{PODS}/web/eviction", body, dryRun="All")
        assert (refused.status, refused.message) == (code, message)


async def test_a_class_that_no_server_is_asked_for_is_an_error_of_the_servers() -> None:
    async with serving() as talk:
        for name, why in (
            ("", "resource name may not be empty"),
            ("a/b", "invalid resource name \"a/b\": [may not contain '/']"),
        ):
            refused = await talk.post(PODS, pod(runtimeClassName=name), dryRun="All")
            assert (refused.status, refused.message) == (500, why)


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("/apis/storage.k8s.io/v1/csinodes", {"metadata": {"name": "web"}, "spec": {"drivers": []}}),
        (CONFIG_MAPS, {"metadata": {"name": "web"}}),
        (PODS, pod()),
    ],
)
async def test_no_patch_changes_an_objects_identity(path: str, made: Any) -> None:
    async with serving() as talk:
        await talk.post(path, made)
        refused = await talk.patch(f"{path}/web", {"metadata": {"uid": "u"}})
        assert refused.status == 422
        assert {cause["field"] for cause in refused.body["details"]["causes"]} == {"metadata.uid"}


_DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def _deployment(replicas: str, cpu: str) -> bytes:
    containers = f'[{{"name": "a", "resources": {{"limits": {{"cpu": {cpu}}}}}}}]'
    spec = f'{{"replicas": {replicas}, "template": {{"spec": {{"containers": {containers}}}}}}}'
    return f'{{"metadata": {{"name": "web"}}, "spec": {spec}}}'.encode()


@pytest.mark.parametrize(
    ("replicas", "cpu", "why"),
    [
        ('"x"', '"1"', "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        ('"x"', '"y"', "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"),
        (
            "1e2",
            '"1"',
            "json: cannot unmarshal number 1e2 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            "1.0",
            '"1"',
            "json: cannot unmarshal number 1.0 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
    ],
)
async def test_of_several_values_that_do_not_fit_the_one_that_ends_gos_reading_is_told(
    replicas: str, cpu: str, why: str
) -> None:
    async with serving() as talk:
        refused = await talk.post(_DEPLOYMENTS, _deployment(replicas, cpu))
        told = f'Deployment in version "v1" cannot be handled as a Deployment: {why}'
        assert (refused.status, refused.message) == (400, told)


async def test_what_is_of_another_kind_is_read_as_that_first() -> None:
    async with serving() as talk:
        refused = await talk.post(CONFIG_MAPS, {"kind": "Pod", "apiVersion": "v1", "metadata": "x"})
        assert refused.message == (
            'Pod in version "v1" cannot be handled as a ConfigMap: '
            "json: cannot unmarshal string into Go struct field Pod.metadata of type v1.ObjectMeta"
        )


async def test_json_that_is_called_yaml_is_read_as_yaml() -> None:
    strict = {"fieldValidation": "Strict"}
    wanted = {"content-type": "application/yaml"}
    async with serving() as talk:
        whole = b'{"metadata": {"name": "web"}, "immutable": false, "data": {"a": "1.0"}}'
        assert (await talk.send("POST", CONFIG_MAPS, whole, wanted)).status == 201
        quota = b'{"metadata": {"name": "q", "generation": 1e0}, "spec": {"scopes": []}}'
        made = await talk.send("POST", "/api/v1/namespaces/default/resourcequotas", quota, wanted)
        assert made.status == 201
        repeated = b'{"z": 1, "b": 1, "metadata": {"name": "web", "name": "web"}, "data": {"a": "1", "a": "2"}}'
        refused = await talk.send("POST", CONFIG_MAPS, repeated, wanted, strict)
        assert refused.message.partition("strict decoding error: ")[2] == (
            'yaml: unmarshal errors:\n  line 1: key "name" already set in map\n  line 1: key "a" already set in map, '
            'unknown field "b", unknown field "z"'
        )


async def test_an_empty_choice_of_a_policy_is_a_value_and_no_choice() -> None:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    constraints = {"resourceRules": [rule], "matchPolicy": ""}
    spec = {"failurePolicy": "", "matchConstraints": constraints, "validations": [{"expression": "true"}]}
    policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
    async with serving() as talk:
        refused = await talk.post(policies, {"metadata": {"name": "p"}, "spec": spec})
        fields = [one["field"] for one in refused.body["details"]["causes"]]
        assert (refused.status, fields) == (422, ["spec.failurePolicy", "spec.matchConstraints.matchPolicy"])
