"""Requests that are odd but answered, each as kube-apiserver answers it."""

from __future__ import annotations

import base64

import pytest

from apiserver.serving import CONFIG_MAPS, config_map, serving
from pybernetes.apiserver.describe import describe

APPLY = "application/apply-patch+yaml"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"limit": ""}, 'strconv.ParseInt: parsing "": invalid syntax'),
        ({"limit": " 1"}, 'strconv.ParseInt: parsing " 1": invalid syntax'),
        ({"timeoutSeconds": "9" * 20}, f'strconv.ParseInt: parsing "{"9" * 20}": value out of range'),
        ({"fieldSelector": "=a"}, '"" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    ],
)
async def test_a_query_that_cannot_be_read_is_refused(query: dict[str, str], message: str) -> None:
    async with serving() as talk:
        refused = await talk.get(CONFIG_MAPS, **query)
        assert (refused.status, refused.message) == (400, message)


async def test_a_field_selector_of_nothing_but_an_operator_says_nothing() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        found = await talk.get(CONFIG_MAPS, fieldSelector="=,metadata.name=web")
        assert [one["metadata"]["name"] for one in found.body["items"]] == ["web"]


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (b"i", "invalid character 'i' looking for beginning of value"),
        (b"1", "json: cannot unmarshal number into Go value of type storage.continueToken"),
        (b'{"v":1}', "json: cannot unmarshal number into Go struct field continueToken.v of type string"),
        (b'{"rv":"1"}', "json: cannot unmarshal string into Go struct field continueToken.rv of type int64"),
        (b"null", "server does not recognize this encoded version "),
    ],
)
async def test_a_token_that_nobody_gave_is_refused_in_upstreams_words(token: bytes, why: str) -> None:
    async with serving() as talk:
        refused = await talk.get(CONFIG_MAPS, **{"continue": base64.urlsafe_b64encode(token).decode().rstrip("=")})
        assert refused.status == 400
        assert refused.message == f"invalid continue token: continue key is not valid: {why}"


async def test_a_version_stated_for_a_new_object_counts_only_where_it_is_written() -> None:
    async with serving() as talk:
        stated = {"metadata": {"name": "web", "resourceVersion": "7"}}
        tried = await talk.post(CONFIG_MAPS, stated, dryRun="All")
        assert (tried.status, tried.body["metadata"]["resourceVersion"]) == (201, "7")
        refused = await talk.post(CONFIG_MAPS, stated)
        assert (refused.status, refused.message) == (
            500,
            "resourceVersion should not be set on objects to be created",
        )
        assert (await talk.post(CONFIG_MAPS, {"metadata": {"name": "web", "resourceVersion": "0"}})).status == 201


async def test_what_the_query_of_a_deletion_says_counts_only_where_there_is_no_body() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        assert (await talk.delete(f"{CONFIG_MAPS}/web", dryRun="All")).status == 200
        assert (await talk.get(f"{CONFIG_MAPS}/web")).status == 200
        assert (await talk.delete(f"{CONFIG_MAPS}/web", {"apiVersion": "v1"}, dryRun="All")).status == 200
        assert (await talk.get(f"{CONFIG_MAPS}/web")).status == 404


async def test_of_yaml_the_first_document_is_read_and_whole_numbers_are_whole() -> None:
    async with serving() as talk:
        body = b"metadata:\n  name: web\n  generation: 1e2\n---\nmore: ]"
        made = await talk.send("POST", CONFIG_MAPS, body, {"content-type": "application/yaml"})
        assert (made.status, made.body["metadata"]["generation"]) == (201, 100)


async def test_a_content_type_whose_parameters_cannot_be_read_is_unsupported() -> None:
    async with serving() as talk:
        for kind, status in (("application/json;a", 415), ("application/json; charset=utf-8;", 201)):
            answer = await talk.send("POST", CONFIG_MAPS, b'{"metadata":{"name":"web"}}', {"content-type": kind})
            assert answer.status == status


async def test_an_apply_with_an_unreadable_version_is_of_no_kind() -> None:
    async with serving() as talk:
        what = {"apiVersion": "a/b/c", "kind": "ConfigMap", "metadata": {"name": "web"}}
        refused = await talk.patch(f"{CONFIG_MAPS}/web", what, APPLY, fieldManager="me")
        assert (refused.status, refused.message) == (400, "invalid object type: /, Kind=")


async def test_unknown_fields_of_a_patch_are_told_in_the_order_of_their_names() -> None:
    async with serving() as talk:
        await talk.post(CONFIG_MAPS, config_map("web"))
        patched = await talk.patch(f"{CONFIG_MAPS}/web", {"foo": 1, "Data": {"a": "b"}})
        assert patched.response.warnings == ('unknown field "Data"', 'unknown field "foo"')


async def test_a_group_is_told_of_whatever_the_method() -> None:
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        assert (await talk.send("POST", "/apis/apps", b"{}")).body["kind"] == "APIGroup"
        assert (await talk.send("POST", "/apis/apps/v1", b"{}")).status == 405


async def test_a_binding_without_names_lacks_its_target_first() -> None:
    async with serving() as talk:
        refused = await talk.post("/api/v1/namespaces/default/bindings", {})
        assert (refused.status, refused.message) == (500, "target.name: Required value")
        named = await talk.post("/api/v1/namespaces/default/bindings", {"target": {"name": "n"}})
        assert (named.status, named.message) == (400, "Name parameter required.")


async def test_a_status_of_components_has_no_head() -> None:
    async with serving() as talk:
        assert (await talk.send("HEAD", "/api/v1/componentstatuses")).status == 405


async def test_a_generation_that_a_kind_does_not_count_is_the_clients() -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, {"metadata": {"name": "web", "generation": 5}})
        assert (made.status, made.body["metadata"]["generation"]) == (201, 5)
        changed = await talk.patch(f"{CONFIG_MAPS}/web", {"metadata": {"generation": 9}, "data": {"a": "b"}})
        assert changed.body["metadata"]["generation"] == 5
        refused = await talk.post(CONFIG_MAPS, {"metadata": {"name": "web", "generation": -5}})
        assert "metadata.generation: Invalid value: -5: must be greater than or equal to 0" in refused.message


async def test_a_method_that_is_not_served_is_refused_before_an_answer_nobody_accepts() -> None:
    wants = {"accept": "text/plain"}
    async with serving() as talk:
        for path in ("/api/v1/pods", "/api/v1/namespaces/default/bindings"):
            answers = [(await talk.send(method, path, headers=wants)).status for method in ("PUT", "PATCH")]
            assert answers == [405, 405]
        assert (await talk.send("GET", "/api/v1/pods", headers=wants)).status == 406


async def test_the_index_names_every_check_and_nothing_twice() -> None:
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        paths = (await talk.get("/")).body["paths"]
        assert {"/healthz/ping", "/livez/log", "/readyz/ping", "/openapi/v3/", "/version"} <= set(paths)
        assert not {"/version/", "/debug/api_priority_and_fairness/dump_queues"} & set(paths)


async def test_a_daemon_sets_metadata_alone_lacks_what_upstream_has_as_a_field() -> None:
    daemon_sets = "/apis/apps/v1/namespaces/default/daemonsets"
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    partly = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
    async with serving() as talk:
        for name, stated in (("plain", {}), ("noted", {"annotations": {"x": "y"}})):
            made = await talk.post(daemon_sets, {"metadata": {"name": name, **stated}, "spec": spec})
            assert made.body["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "1"
            found = await talk.get(f"{daemon_sets}/{name}", accept=partly)
            assert found.body["metadata"].get("annotations") == stated.get("annotations")
