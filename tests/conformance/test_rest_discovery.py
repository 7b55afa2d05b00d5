"""What is served, in each form of discovery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from conformance.rest_server import rest_server
from conformance.typed_client import ACCEPT, Document, TypedClient
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.protobuf import MEDIA_TYPE, decode_body

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
CLIENT_GO = f"{AGGREGATED},{AGGREGATED.replace('v2', 'v2beta1')},application/json"
BUILT_IN = {
    ("", "v1", "namespaces"),
    ("", "v1", "pods"),
    ("apps", "v1", "deployments"),
    ("batch", "v1", "jobs"),
    ("apiregistration.k8s.io", "v1", "apiservices"),
    ("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
    ("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations"),
    ("networking.k8s.io", "v1", "ingresses"),
    ("rbac.authorization.k8s.io", "v1", "clusterroles"),
    ("storage.k8s.io", "v1", "storageclasses"),
    ("flowcontrol.apiserver.k8s.io", "v1", "flowschemas"),
    ("authentication.k8s.io", "v1", "tokenreviews"),
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
    ("autoscaling", "v1", "horizontalpodautoscalers"),
    ("autoscaling", "v2", "horizontalpodautoscalers"),
    ("certificates.k8s.io", "v1", "certificatesigningrequests"),
    ("coordination.k8s.io", "v1", "leases"),
    ("discovery.k8s.io", "v1", "endpointslices"),
    ("events.k8s.io", "v1", "events"),
    ("node.k8s.io", "v1", "runtimeclasses"),
    ("policy", "v1", "poddisruptionbudgets"),
    ("resource.k8s.io", "v1", "resourceclaims"),
    ("scheduling.k8s.io", "v1", "priorityclasses"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("", "v1", "secrets"),
    ("", "v1", "persistentvolumes"),
    ("", "v1", "nodes"),
    ("apps", "v1", "statefulsets"),
    ("apps", "v1", "daemonsets"),
    ("apps", "v1", "replicasets"),
    ("batch", "v1", "cronjobs"),
}


async def asked(client: TypedClient, path: str, accept: str) -> ApiResponse:
    answer = await client.server.handle(ApiRequest("GET", path, {}, {"accept": accept}, b""))
    assert answer.status == 200, answer.content
    return answer


def resources(document: Document) -> Iterator[tuple[str, str, str]]:
    for group in document["items"]:
        for version in group["versions"]:
            assert version["freshness"] == "Current"
            for one in version["resources"]:
                yield group["metadata"].get("name", ""), version["version"], one["resource"]


@pytest.mark.parametrize("accept", [AGGREGATED, CLIENT_GO])
@pytest.mark.conformance("Aggregated Discovery Interface", "Aggregated Discovery Endpoint Accept Headers")
async def test_two_answers_hold_every_built_in_resource(accept: str) -> None:
    async with rest_server() as client:
        found: set[tuple[str, str, str]] = set()
        for path in ("/api", "/apis"):
            answer = await asked(client, path, accept)
            assert answer.headers["Content-Type"] == AGGREGATED
            document = orjson.loads(answer.content)
            assert document["kind"] == "APIGroupDiscoveryList"
            assert document["apiVersion"] == "apidiscovery.k8s.io/v2"
            found |= set(resources(document))
        assert found >= BUILT_IN
        [pods] = [
            one
            for one in orjson.loads((await asked(client, "/api", CLIENT_GO)).content)["items"][0]["versions"][0][
                "resources"
            ]
            if one["resource"] == "pods"
        ]
        assert (pods["scope"], pods["responseKind"]["kind"]) == ("Namespaced", "Pod")
        assert set(pods["verbs"]) >= {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
        assert {one["subresource"] for one in pods["subresources"]} >= {"status", "log", "exec", "eviction"}
        older = await asked(client, "/apis", "application/json")
        assert (older.headers["Content-Type"], orjson.loads(older.content)["kind"]) == (
            "application/json",
            "APIGroupList",
        )


@pytest.mark.conformance("Aggregated Discovery Interface CRDs", "Aggregated Discovery Endpoint Accept Headers CRDs")
async def test_a_custom_kind_is_among_them_as_soon_as_it_is_established() -> None:
    async with rest_server() as client:
        definitions = client.of("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        spec = {
            "group": "e2e.example.com",
            "scope": "Namespaced",
            "names": {"plural": "tests", "singular": "test", "kind": "Test", "listKind": "TestList"},
            "versions": [version],
        }
        async with await definitions.watch() as watching:
            await definitions.create({"metadata": {"name": "tests.e2e.example.com"}, "spec": spec})
            await watching.until("MODIFIED", is_established)
        for accept in (CLIENT_GO, AGGREGATED):
            document = orjson.loads((await asked(client, "/apis", accept)).content)
            assert ("e2e.example.com", "v1", "tests") in set(resources(document))
        await definitions.delete("tests.e2e.example.com")


def is_established(definition: Document) -> bool:
    conditions: list[dict[str, Any]] = definition.get("status", {}).get("conditions", [])
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


@pytest.mark.parametrize("accept", ["application/json", ACCEPT])
@pytest.mark.conformance(
    "Discovery, confirm the PreferredVersion for each api group",
    "Discovery, confirm the groupVerion and a resourcefrom each apiGroup",
)
async def test_each_group_has_versions_a_preferred_one_and_resources(accept: str) -> None:
    """Level by level, as clients do that know no other way; typed ones prefer protobuf."""
    async with rest_server() as client:

        async def read(path: str) -> Document:
            answer = await asked(client, path, accept)
            assert answer.headers["Content-Type"] == accept.split(",")[0]
            found: Document = decode_body(answer.content) if MEDIA_TYPE in accept else orjson.loads(answer.content)
            return found

        groups = (await read("/apis"))["groups"]
        assert {one["name"] for one in groups} >= {group for group, _, _ in BUILT_IN if group}
        for listed in groups:
            group = await read(f"/apis/{listed['name']}")
            versions = {one["groupVersion"]: one["version"] for one in group["versions"]}
            preferred = group["preferredVersion"]
            assert versions[preferred["groupVersion"]] == preferred["version"]
            assert preferred["groupVersion"] == f"{listed['name']}/{preferred['version']}"
            for version in versions:
                document = await read(f"/apis/{version}")
                assert document["groupVersion"] == version
                assert document["resources"]
        found = {("", "v1", one["name"]) for one in (await read("/api/v1"))["resources"]}
        assert found >= {("", "v1", "pods"), ("", "v1", "namespaces")}
