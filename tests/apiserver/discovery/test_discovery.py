from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.serving import serving
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.discovery.handler import Discovery, negotiated
from pybernetes.apiserver.discovery.served import (
    Kind,
    ServedResource,
    ServedSubresource,
    ServedVersion,
    groups_of,
    of_resources,
    storage_hash,
    version_rank,
)
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.negotiation import Encoding
from pybernetes.apiserver.resources import load

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
KUBECTL = f"{AGGREGATED},application/json"

PODS = ServedResource(
    "pods",
    "pod",
    True,
    Kind("", "v1", "Pod"),
    ("get", "list"),
    short_names=("po",),
    categories=("all",),
    subresources=(ServedSubresource("eviction", Kind("policy", "v1", "Eviction"), ("create",)),),
)
WIDGETS = ServedResource("widgets", "widget", False, Kind("example.com", "v1", "Widget"), ("get",))
VERSIONS = [
    ServedVersion("example.com", "v1beta1", (WIDGETS,)),
    ServedVersion("example.com", "v1", (WIDGETS,)),
    ServedVersion("", "v1", (PODS,)),
    ServedVersion("apps", "v1", (WIDGETS,)),
]


@pytest.fixture
def discovery() -> Discovery:
    discovery = Discovery("10.0.0.1:6443")
    discovery.update("builtin", VERSIONS)
    return discovery


def get(discovery: Discovery, path: str, **headers: str) -> Any:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return orjson.loads(discovery.answer(ApiRequest("GET", path, headers=sent)).content)


def test_versions_sort_from_the_most_to_the_least_stable() -> None:
    versions = ["v1alpha1", "v2", "foo", "v1beta2", "v1", "v1beta1"]
    assert sorted(versions, key=version_rank) == ["v2", "v1", "v1beta2", "v1beta1", "v1alpha1", "foo"]


def test_groups_come_in_upstreams_order_and_foreign_ones_last() -> None:
    assert [group.group for group in groups_of(VERSIONS)] == ["", "apps", "example.com"]


def test_the_older_documents_tell_level_by_level(discovery: Discovery) -> None:
    assert get(discovery, "/api")["versions"] == ["v1"]
    example = get(discovery, "/apis/example.com")
    assert [version["version"] for version in example["versions"]] == ["v1", "v1beta1"]
    assert example["preferredVersion"]["groupVersion"] == "example.com/v1"
    pods, eviction = get(discovery, "/api/v1")["resources"]
    assert (pods["name"], pods["shortNames"], pods["categories"]) == ("pods", ["po"], ["all"])
    assert eviction == {
        "name": "pods/eviction",
        "singularName": "",
        "namespaced": True,
        "group": "policy",
        "version": "v1",
        "kind": "Eviction",
        "verbs": ["create"],
    }


def test_kubectl_gets_everything_in_two_answers(discovery: Discovery) -> None:
    answer = discovery.answer(ApiRequest("GET", "/apis", headers={"accept": KUBECTL}))
    assert answer.headers["Content-Type"] == AGGREGATED
    assert answer.headers["Vary"] == "Accept"
    document = orjson.loads(answer.content)
    assert [item["metadata"]["name"] for item in document["items"]] == ["apps", "example.com"]
    core = get(discovery, "/api", accept=KUBECTL)["items"][0]["versions"][0]["resources"][0]
    assert core["responseKind"] == {"group": "", "version": "", "kind": "Pod"}
    assert core["subresources"][0]["responseKind"]["group"] == "policy"


def test_a_client_that_has_it_is_answered_304(discovery: Discovery) -> None:
    first = discovery.answer(ApiRequest("GET", "/apis", headers={"accept": KUBECTL}))
    etag = first.headers["Etag"]
    assert etag.startswith('"')
    assert len(etag) == 130
    again = discovery.answer(ApiRequest("GET", "/apis", headers={"accept": KUBECTL, "if-none-match": etag}))
    assert (again.status, again.content) == (304, b"")
    discovery.update("crd", [ServedVersion("new.example.com", "v1", (WIDGETS,))])
    changed = discovery.answer(ApiRequest("GET", "/apis", headers={"accept": KUBECTL, "if-none-match": etag}))
    assert changed.status == 200


def test_what_a_part_no_longer_serves_is_gone(discovery: Discovery) -> None:
    discovery.update("crd", [ServedVersion("new.example.com", "v1", (WIDGETS,))])
    assert get(discovery, "/apis/new.example.com")["name"] == "new.example.com"
    discovery.update("crd", [])
    assert discovery.answer(ApiRequest("GET", "/apis/new.example.com")).status == 404


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", ()),
        ("*/*", ()),
        ("application/json", ()),
        (KUBECTL, (Encoding.JSON, "v2")),
        (f"application/vnd.kubernetes.protobuf,{KUBECTL}", (Encoding.JSON, "v2")),
        (f"application/json;q=0.9,{AGGREGATED}", (Encoding.JSON, "v2")),
        (f"application/json,{AGGREGATED}", (Encoding.JSON, "v2")),
        (AGGREGATED.replace("/json", "/vnd.kubernetes.protobuf"), (Encoding.PROTOBUF, "v2")),
        ("application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList", None),
        ("application/vnd.kubernetes.protobuf", ()),
        ("text/html", None),
    ],
)
def test_the_form_is_negotiated(accept: str, expected: tuple[Encoding, str] | tuple[()] | None) -> None:
    assert negotiated(accept) == expected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/apis", "only the following media types are accepted: "),
        ("/apis/apps", "only the following media types are accepted: "),
        ("/apis/example.com/v1", "only the following media types are accepted: "),
        ("/apis/apps/v1", "406: Not Acceptable\n\nAvailable representations: "),
        ("/api/v1", "406: Not Acceptable\n\nAvailable representations: "),
    ],
)
def test_what_cannot_be_accepted_is_406(discovery: Discovery, path: str, words: str) -> None:
    with pytest.raises(ApiError) as refused:
        discovery.answer(ApiRequest("GET", path, headers={"accept": "text/html"}))
    told = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    assert (refused.value.code, refused.value.message) == (406, words + told)


def test_every_declared_kind_is_told() -> None:
    told = {
        (version.group, version.version, resource.plural)
        for version in of_resources(load())
        for resource in version.resources
    }
    assert told == {(one.info.group, one.info.version, one.info.plural) for one in load()}


def test_hashes_name_the_version_that_upstream_keeps() -> None:
    assert storage_hash("", "v1", "Pod") == "xPOwRZ+Yhw8="
    assert storage_hash("apiextensions.k8s.io", "v1", "CustomResourceDefinition") == "jfWCUB31mvA="
    assert storage_hash("admissionregistration.k8s.io", "v1", "MutatingAdmissionPolicy") == "LYmCf+UMVdg="


async def test_the_index_has_a_second_name_that_is_not_listed() -> None:
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        index = await talk.get("/index.html")
        assert index.body == (await talk.get("/")).body
        assert "/api/v1" in index.body["paths"]
        assert "/index.html" not in index.body["paths"]
