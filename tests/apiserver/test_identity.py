"""What a body says it is, and which object it is about."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.custom.definitions import WIDGETS, define, definition, widget
from apiserver.serving import CONFIG_MAPS, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, config_map, serving

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
APPLY = "application/apply-patch+yaml"
UNNAMED = "the name of the object (web based on URL) was undeterminable: name must be provided"


def deployment(**spec: Any) -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, UNNAMED),
        (b"null", UNNAMED),
        ({"metadata": {}}, UNNAMED),
        (config_map("other"), "the name of the object (other) does not match the name on the URL (web)"),
        (
            {"metadata": {"name": "web", "namespace": "kube-system"}},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
async def test_an_update_names_its_object_whether_there_is_one_or_not(body: Any, message: str) -> None:
    async with serving() as talk:
        absent = await talk.put(f"{CONFIG_MAPS}/web", body)
        await talk.post(CONFIG_MAPS, config_map("web"))
        present = await talk.put(f"{CONFIG_MAPS}/web", body)
        assert [(one.status, one.message) for one in (absent, present)] == [(400, message)] * 2


async def test_a_stated_uid_of_an_absent_object_is_compared_at_its_key() -> None:
    async with serving() as talk:
        refused = await talk.put(f"{LEASES}/web", {"metadata": {"name": "web", "uid": "x"}})
        assert refused.status == 409
        assert "Key: /registry/leases/default/web, ResourceVersion: 0" in refused.message


@pytest.mark.parametrize(
    ("api_version", "kind"), [("v1", "Status"), ("apps/v1", "Status"), ("v1", "DeleteOptions"), ("v1", "WatchEvent")]
)
async def test_what_every_group_knows_cannot_be_converted_to_an_object(api_version: str, kind: str) -> None:
    async with serving() as talk:
        refused = await talk.post(CONFIG_MAPS, {"apiVersion": api_version, "kind": kind})
        assert refused.message == (
            f'{kind} in version "v1" cannot be handled as a ConfigMap: '
            f"converting (v1.{kind}) to (core.ConfigMap): unknown conversion"
        )


@pytest.mark.parametrize(
    "patch", [{"apiVersion": None}, {"apiVersion": ""}, {"apiVersion": None, "kind": None}, {"metadata": None}]
)
async def test_a_merge_patch_that_takes_the_api_version_or_the_metadata_leaves_no_name(patch: Any) -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        refused = await talk.patch(f"{CONFIG_MAPS}/web", patch, MERGE_PATCH)
        assert (refused.status, refused.message) == (400, UNNAMED)


async def test_a_json_patch_may_replace_the_whole_object() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web", a="b"))
        emptied = [{"op": "replace", "path": "", "value": {}}]
        refused = await talk.patch(f"{CONFIG_MAPS}/web", emptied, JSON_PATCH)
        assert (refused.status, refused.message) == (400, UNNAMED)
        replaced = [{"op": "replace", "path": "", "value": config_map("web", c="d")}]
        assert (await talk.patch(f"{CONFIG_MAPS}/web", replaced, JSON_PATCH)).body["data"] == {"c": "d"}


@pytest.mark.parametrize("patch", [{"kind": "Other"}, {"apiVersion": "other/v1"}, {"kind": None}])
async def test_a_strategic_patch_cannot_make_an_object_another_kind(patch: Any) -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web"))
        assert (await talk.patch(f"{CONFIG_MAPS}/web", patch, STRATEGIC_PATCH)).body == made.body


async def test_a_strategic_patch_that_is_no_text_where_one_belongs_is_told_in_the_converters_words() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        refused = await talk.patch(f"{CONFIG_MAPS}/web", {"kind": []}, STRATEGIC_PATCH)
        assert refused.message == ' "" is invalid: patch: Invalid value: "map[kind:[]]": unrecognized type: string'


async def test_patches_of_a_custom_resource_say_what_it_is() -> None:
    async with serving() as talk:
        await define(talk, definition())
        await talk.post(WIDGETS, widget("a", {}))

        async def refusal(patch: Any) -> tuple[int, str]:
            answer = await talk.patch(f"{WIDGETS}/a", patch, MERGE_PATCH)
            return answer.status, answer.message

        api_version = (await talk.get(f"{WIDGETS}/a")).body["apiVersion"]
        assert await refusal({"apiVersion": None}) == (
            500,
            "Internal error occurred: Object 'apiVersion' is missing in 'object has no apiVersion field'",
        )
        code, message = await refusal({"kind": None, "metadata": None, "spec": None})
        assert (code, message) == (
            422,
            f' "" is invalid: patch: Invalid value: "{{\\"apiVersion\\":\\"{api_version}\\"}}": '
            f"Object 'Kind' is missing in '{{\"apiVersion\":\"{api_version}\"}}'",
        )
        assert await refusal({"kind": "O", "apiVersion": "x"}) == (
            422,
            'O "a" is invalid: [kind: Invalid value: "O": must be Widget, '
            f'apiVersion: Invalid value: "x": must be {api_version}]',
        )
        assert (await refusal({"metadata": None}))[0] == 400


@pytest.mark.parametrize("kind", [APPLY, STRATEGIC_PATCH])
@pytest.mark.parametrize(
    ("number", "replicas"),
    [(2**32 + 1, 1), (-(2**31) - 1, 2**31 - 1), (2**63, 0), (1e30, 0), (3.0, 3), (2**32 + 5.0, 5)],
)
async def test_numbers_wrap_around_where_maps_are_converted(kind: str, number: float, replicas: int) -> None:
    async with serving() as talk:
        await talk.post(DEPLOYMENTS, deployment())
        force = {"force": "true"} if kind == APPLY else {}
        patched = await talk.patch(f"{DEPLOYMENTS}/web", deployment(replicas=number), kind, fieldManager="m", **force)
        assert (patched.status, patched.body["spec"]["replicas"]) == (200, replicas)


async def test_a_wrapped_number_is_judged_and_a_fraction_is_none() -> None:
    async with serving() as talk:
        await talk.post(DEPLOYMENTS, deployment())
        path = f"{DEPLOYMENTS}/web"
        wrapped = await talk.patch(path, deployment(replicas=2**31), APPLY, fieldManager="m", force="true")
        assert wrapped.message == (
            'Deployment.apps "web" is invalid: spec.replicas: Invalid value: -2147483648: '
            "must be greater than or equal to 0"
        )
        fraction = await talk.patch(path, deployment(replicas=1.5), APPLY, fieldManager="m", force="true")
        assert (fraction.status, fraction.message) == (
            500,
            "failed to convert new object (/web; apps/v1, Kind=Deployment) to proper version: unable to convert "
            "unstructured object to apps/v1, Kind=Deployment: cannot convert float64 to int32",
        )


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"strategy": []}, "cannot restore struct from: slice"),
        ({"strategy": {"type": 1}}, "cannot convert int64 to v1.DeploymentStrategyType"),
        ({"strategy": {"type": 1.5}}, "unrecognized type: string"),
        ({"strategy": {"type": {}}}, "unrecognized type: string"),
        ({"paused": 1}, "unrecognized type: bool"),
        ({"replicas": "1"}, "unrecognized type: int32"),
    ],
)
async def test_what_a_strategic_patch_cannot_convert_is_told_by_gos_kinds(spec: Any, why: str) -> None:
    async with serving() as talk:
        await talk.post(DEPLOYMENTS, deployment())
        refused = await talk.patch(f"{DEPLOYMENTS}/web", {"spec": spec}, STRATEGIC_PATCH)
        assert refused.message.rpartition(']": ')[2] == why
