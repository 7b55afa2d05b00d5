from __future__ import annotations

from typing import Any

import orjson
import pytest

from pybernetes.apiserver.discovery.served import groups_of, of_resources
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.openapi.descriptions import describe
from pybernetes.apiserver.openapi.handler import OpenApi
from pybernetes.apiserver.openapi.schemas import type_of_kind
from pybernetes.apiserver.resources import load

CORE, APPS = "/openapi/v3/api/v1", "/openapi/v3/apis/apps/v1"


@pytest.fixture
def openapi() -> OpenApi:
    groups = groups_of(of_resources(load()))
    return OpenApi(lambda: groups, "v1.36.0")


async def answer(openapi: OpenApi, path: str, *, hash: str = "", accept: str = "application/json") -> ApiResponse:
    query = {"hash": [hash]} if hash else {}
    return await openapi.answer(ApiRequest("GET", path, query, {"accept": accept}))


async def document(openapi: OpenApi, path: str) -> Any:
    return orjson.loads((await answer(openapi, path)).content)


async def test_the_index_names_every_version_with_its_hash(openapi: OpenApi) -> None:
    paths = (await document(openapi, "/openapi/v3"))["paths"]
    assert {"api/v1", "apis/apps/v1"} <= set(paths)
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    path, _, digest = url.partition("?hash=")
    assert path == APPS
    current = await answer(openapi, path, hash=digest)
    assert "immutable" in current.headers["Cache-Control"]
    stale = await answer(openapi, path, hash="0")
    assert (stale.status, stale.headers["Location"]) == (301, url)


async def test_kubectl_finds_server_side_validation_and_strategic_merge(openapi: OpenApi) -> None:
    paths = (await document(openapi, APPS))["paths"]
    patch = paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]


async def test_schemas_tell_merge_keys_list_types_and_kinds(openapi: OpenApi) -> None:
    schemas = (await document(openapi, CORE))["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["x-kubernetes-list-type"] == "map"
    pod = schemas["io.k8s.api.core.v1.Pod"]
    assert pod["x-kubernetes-group-version-kind"] == [{"group": "", "version": "v1", "kind": "Pod"}]
    assert pod["properties"]["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]


@pytest.mark.parametrize("path", ["/openapi/v3/api/v1", APPS, "/openapi/v2"])
async def test_every_reference_leads_somewhere(openapi: OpenApi, path: str) -> None:
    found = await document(openapi, path)
    names = {**found["definitions"], **found["parameters"]} if "swagger" in found else found["components"]["schemas"]
    references = set(_references(found))
    assert references
    assert {reference.rpartition("/")[2] for reference in references} <= set(names)


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for member in value.values() for found in _references(member)]
    if isinstance(value, list):
        return [found for member in value for found in _references(member)]
    return []


async def test_operation_names_are_unique(openapi: OpenApi) -> None:
    names = [
        operation["operationId"]
        for path in (await document(openapi, "/openapi/v2"))["paths"].values()
        for method, operation in path.items()
        if method != "parameters"
    ]
    assert sorted(names) == sorted(set(names))


def test_descriptions_flow_as_one_line_per_paragraph() -> None:
    described = describe("core_v1.ContainerPort")
    assert described.text.startswith("ContainerPort represents")
    assert "\n" not in described.fields["containerPort"]
    assert describe("core_v1.Nothing").text == ""


def test_kinds_are_found_in_the_facts() -> None:
    assert type_of_kind("rbac.authorization.k8s.io", "v1", "Role") == "rbac_v1.Role"
    assert type_of_kind("autoscaling", "v1", "Scale") == "autoscaling_v1.Scale"
    assert type_of_kind("example.com", "v1", "Widget") is None


PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


async def test_the_second_version_is_had_as_protobuf(openapi: OpenApi) -> None:
    found = await answer(openapi, "/openapi/v2", accept=PROTOBUF)
    assert found.headers["Content-Type"] == "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
    assert found.content.startswith(b"\x0a\x032.0\x12")  # swagger: "2.0", then info


async def test_who_accepts_only_protobuf_of_the_third_version_is_told_that_there_is_none(openapi: OpenApi) -> None:
    refused = await answer(openapi, CORE, accept=PROTOBUF)
    assert (refused.status, refused.content, refused.headers) == (406, b"", {"Vary": "Accept"})


async def test_the_index_is_sent_whatever_is_accepted_unless_the_client_has_it(openapi: OpenApi) -> None:
    found = await answer(openapi, "/openapi/v3", accept="text/html")
    assert (found.status, "Etag" in found.headers) == (200, False)
    since = {"if-modified-since": found.headers["Last-Modified"]}
    again = await openapi.answer(ApiRequest("GET", "/openapi/v3", {}, since))
    assert (again.status, again.content) == (304, b"")


async def test_an_index_that_changed_twice_within_a_second_is_sent_twice() -> None:
    groups = groups_of(of_resources(load()))
    served = [groups]
    openapi = OpenApi(lambda: served[0], "v1.36.0")
    first = await openapi.answer(ApiRequest("GET", "/openapi/v3"))
    served[0] = groups[1:]
    second = await openapi.answer(
        ApiRequest("GET", "/openapi/v3", headers={"if-modified-since": first.headers["Last-Modified"]})
    )
    assert second.status == 200
    assert second.content != first.content


async def test_documents_are_not_sent_to_whom_has_them(openapi: OpenApi) -> None:
    for path, accept in ((CORE, "*/*"), ("/openapi/v2", "*/*"), ("/openapi/v2", PROTOBUF)):
        etag = (await answer(openapi, path, accept=accept)).headers["Etag"]
        assert len(etag) == len('""') + 128
        has = {"accept": accept, "if-none-match": etag}
        assert (await openapi.answer(ApiRequest("GET", path, {}, has))).status == 304


async def test_operations_say_what_they_do(openapi: OpenApi) -> None:
    paths = (await document(openapi, CORE))["paths"]
    pods, services = "/api/v1/namespaces/{namespace}/pods", "/api/v1/namespaces/{namespace}/services"
    said = {
        (pods, "get"): "list or watch objects of kind Pod",
        (pods, "delete"): "delete collection of Pod",
        ("/api/v1/namespaces/{namespace}/endpoints", "post"): "create Endpoints",
        ("/api/v1/namespaces/{namespace}/events", "post"): "create an Event",
        (f"{pods}/{{name}}", "patch"): "partially update the specified Pod",
        (f"{pods}/{{name}}/eviction", "post"): "create eviction of a Pod",
        (f"{pods}/{{name}}/status", "put"): "replace status of the specified Pod",
        (f"{services}/{{name}}/proxy", "head"): "connect HEAD requests to proxy of Service",
        ("/api/v1/", "get"): "get available resources",
    }
    assert {(path, method): paths[path][method]["description"] for path, method in said} == said
    [name] = [one for one in paths[f"{pods}/{{name}}"]["parameters"] if one["name"] == "name"]
    assert name["description"] == "name of the Pod"


async def test_v2_says_once_which_parameters_operations_share(openapi: OpenApi) -> None:
    found = await document(openapi, "/openapi/v2")
    item = found["paths"]["/api/v1/namespaces/{namespace}/configmaps/{name}"]
    used = [one["$ref"].rpartition("/")[2] for one in item["parameters"] if "$ref" in one]
    assert [found["parameters"][name]["name"] for name in used] == ["namespace", "pretty"]
    assert [one.get("name") for one in item["put"]["parameters"]] == ["body", "dryRun", None, "fieldValidation"]
    assert found["parameters"]["body-2Y1dVQaQ"]["schema"] == {
        "$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    }


async def test_fields_say_their_defaults_and_what_they_can_be(openapi: OpenApi) -> None:
    schemas = (await document(openapi, "/openapi/v3/api/v1"))["components"]["schemas"]
    protocol = schemas["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]
    assert (protocol["default"], protocol["enum"]) == ("TCP", ["SCTP", "TCP", "UDP"])
    assert protocol["description"].endswith('\n\nPossible enum values:\n - `"SCTP"`\n - `"TCP"`\n - `"UDP"`')
    pod = schemas["io.k8s.api.core.v1.Pod"]["properties"]
    assert pod["spec"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]
    assert pod["spec"]["default"] == {}
    modes = schemas["io.k8s.api.core.v1.PersistentVolumeClaimSpec"]["properties"]["accessModes"]
    assert "ReadWriteOnce" in modes["items"]["enum"]
    assert schemas["io.k8s.api.core.v1.AppArmorProfile"]["x-kubernetes-unions"][0]["discriminator"] == "type"


async def test_v2_has_enums_but_no_defaults(openapi: OpenApi) -> None:
    definitions = (await document(openapi, "/openapi/v2"))["definitions"]
    protocol = definitions["io.k8s.api.core.v1.ContainerPort"]["properties"]["protocol"]
    assert ("default" in protocol, protocol["enum"]) == (False, ["SCTP", "TCP", "UDP"])
    assert definitions["io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1"]["type"] == "object"


async def test_what_all_operations_of_a_path_take_is_said_once(openapi: OpenApi) -> None:
    paths = (await document(openapi, "/openapi/v3/api/v1"))["paths"]
    item = paths["/api/v1/namespaces/{namespace}/configmaps/{name}"]
    assert [one["name"] for one in item["parameters"]] == ["name", "namespace", "pretty"]
    assert "parameters" not in item["get"]
    assert [one["name"] for one in item["put"]["parameters"]] == ["dryRun", "fieldManager", "fieldValidation"]
    assert list(item["delete"]["responses"]) == ["200", "202", "401"]
    assert item["put"]["responses"]["201"]["description"] == "Created"


async def test_watches_and_connections_have_paths(openapi: OpenApi) -> None:
    paths = (await document(openapi, "/openapi/v3/api/v1"))["paths"]
    watch = paths["/api/v1/watch/namespaces/{namespace}/pods"]["get"]
    assert (watch["operationId"], watch["x-kubernetes-action"]) == ("watchCoreV1NamespacedPodList", "watchlist")
    run = paths["/api/v1/namespaces/{namespace}/pods/{name}/exec"]
    assert run["post"]["operationId"] == "connectCoreV1PostNamespacedPodExec"
    assert [one["name"] for one in run["parameters"]][:3] == ["command", "container", "name"]
    assert set(paths["/api/v1/nodes/{name}/proxy/{path}"]) >= {"get", "head", "options", "patch"}


async def test_discovery_and_the_version_have_documents_of_their_own(openapi: OpenApi) -> None:
    index = (await document(openapi, "/openapi/v3"))["paths"]
    assert {"api", "apis", "apis/apps", "version", "openid/v1/jwks"} <= set(index)
    told = await document(openapi, "/openapi/v3/apis/apps")
    assert told["paths"]["/apis/apps/"]["get"]["operationId"] == "getAppsAPIGroup"
    assert set(told["components"]["schemas"]) >= {"io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup"}
    assert told["info"] == {"title": "Kubernetes", "version": "1.36"}
    assert "schemas" not in (await document(openapi, "/openapi/v3/openid/v1/jwks"))["components"]
    assert "/version/" in (await document(openapi, "/openapi/v2"))["paths"]
    assert (await answer(openapi, "/openapi/v3/")).status == 404


def test_descriptions_have_the_spaces_that_folding_has_cost_them() -> None:
    kinds = describe("core_v1.AzureDiskVolumeSource").fields["kind"]
    assert "per storage account  Dedicated: single" in kinds
    applied = describe("admissionregistration_v1.ApplyConfiguration").fields["expression"]
    assert "\n\n\t" in applied
    assert describe("core_v1.Nothing").text == ""
