"""Group versions that another server serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest
from multidict import CIMultiDict

from apiserver.aggregation.extension import (
    AGGREGATED,
    API_SERVICES,
    FLUNDERS,
    GROUP,
    NAME,
    OPENAPI_V2,
    PATH,
    RESOURCE_LIST,
    VERSION,
    Aggregating,
    aggregating,
    extension,
    service,
)
from apiserver.custom.definitions import DEFINITIONS, definition
from apiserver.hook_server import endpoints
from pybernetes.apiserver.auth.contract import EveryoneIs, User
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.serve import Edge

JANE = User("jane", "u-1", ("devs", "ops"), {"example.com/scope": ("a", "b")})
SERVICES = "/api/v1/namespaces/default/services"


async def told(talk: Aggregating) -> dict[str, Any]:
    items = (await talk.get("/apis", AGGREGATED)).body["items"]
    version: dict[str, Any] = next(one for one in items if one["metadata"]["name"] == GROUP)["versions"][0]
    return version


async def test_the_condition_says_what_is_missing_until_the_server_answers() -> None:
    async with extension() as other, aggregating() as talk:
        await talk.register()
        assert await talk.condition("ServiceNotFound") == {
            "type": "Available",
            "status": "False",
            "reason": "ServiceNotFound",
            "message": 'service/wardle in "default" is not present',
        }
        wrong = {"metadata": {"name": "wardle"}, "spec": {"ports": [{"port": 8443}]}}
        await talk.post(SERVICES, wrong)
        message = 'service/wardle in "default" is not listening on port 443'
        assert (await talk.condition("ServicePortError"))["message"] == message
        await talk.patch(f"{SERVICES}/wardle", service())
        message = 'cannot find endpointslices for service/wardle in "default"'
        assert (await talk.condition("EndpointsNotFound"))["message"] == message
        await endpoints(talk, "wardle", 1)
        url = f"https://127.0.0.1:1{PATH}"
        assert (await talk.condition("FailedDiscoveryCheck"))["message"] == (
            f'failing or missing response from {url}: Get "{url}": dial tcp 127.0.0.1:1: connect: connection refused'
        )
        await endpoints(talk, "wardle", other.port)
        assert await talk.condition("Passed") == {
            "type": "Available",
            "status": "True",
            "reason": "Passed",
            "message": "all checks passed",
        }


async def test_endpoints_that_are_not_ready_are_missing() -> None:
    async with aggregating() as talk:
        await talk.register()
        await talk.post(SERVICES, service())
        await talk.condition("EndpointsNotFound")
        slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
        waiting = {
            "metadata": {"name": "wardle", "labels": {"kubernetes.io/service-name": "wardle"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": False}}],
            "ports": [{"name": "", "port": 443}],
        }
        assert (await talk.post(slices, waiting)).status == 201
        message = 'endpointslices for service/wardle in "default" have no addresses with port name ""'
        assert (await talk.condition("MissingEndpoints"))["message"] == message


async def test_a_server_that_answers_with_a_failure_or_shows_a_foreign_certificate_fails_the_check() -> None:
    async with extension(("other.default.svc",)) as other, aggregating() as talk:
        await talk.serve(other.port)
        await talk.register()
        assert "x509" in (await talk.condition("FailedDiscoveryCheck"))["message"]
        other.status = 500
        await talk.patch(f"{API_SERVICES}/{NAME}", {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}})
        watch = await talk.watch(API_SERVICES, fieldSelector=f"metadata.name={NAME}")
        url, message = f"https://127.0.0.1:{other.port}{PATH}", ""
        while "bad status" not in message:
            _, found = await watch.next()
            message = found["status"]["conditions"][0]["message"]
        assert message == f"failing or missing response from {url}: bad status from {url}: 500"


@pytest.mark.parametrize("path", [PATH, f"{PATH}/", f"{PATH}/flunders", f"{PATH}/namespaces/default/flunders/a"])
async def test_what_is_not_available_is_refused_in_plain_text(path: str) -> None:
    async with aggregating() as talk:
        await talk.register()
        await talk.condition("ServiceNotFound")
        refused = await talk.get(path)
        assert (refused.status, refused.response.content) == (503, b"service unavailable\n")
        assert refused.response.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert (await talk.get(f"/apis/{GROUP}")).body["preferredVersion"]["version"] == VERSION
        assert (await talk.get(f"/apis/{GROUP}/v2")).status == 404


async def test_requests_go_through_with_the_users_name_and_nothing_that_the_client_claims() -> None:
    async with extension() as other, aggregating(authenticator=EveryoneIs(JANE)) as talk:
        await talk.serve(other.port)
        await talk.register()
        await talk.condition("Passed")
        assert (await talk.get(PATH)).body == RESOURCE_LIST
        sent = {
            "authorization": "Bearer secret",
            "x-remote-user": "root",
            "X-Remote-Extra-Evil": "1",
            "impersonate-user": "jane",
            "x-forwarded-for": "10.9.8.7",
            "content-type": "application/json",
        }
        request = ApiRequest(
            "POST", f"{PATH}/namespaces/default/flunders", {"b": ["2"], "a": ["1", "0"]}, sent, b'{"x":1}', remote="::1"
        )
        request.audit_id = "audit-7"
        answer = await talk.server.handle(request)
        assert answer.status == 200
        assert orjson.loads(answer.content) == {
            "method": "POST",
            "path": f"{PATH}/namespaces/default/flunders?a=1&a=0&b=2",
            "body": '{"x":1}',
        }
        assert answer.headers["X-Mine"] == "yes"
        assert answer.headers["Warning"] == '299 - "old"'
        seen = CIMultiDict(next(one for one in other.asked if one.method == "POST").headers)
        for name in ("Accept", "Accept-Encoding", "User-Agent", "Content-Length"):
            seen.pop(name, None)
        assert seen == CIMultiDict(
            [
                ("Host", f"127.0.0.1:{other.port}"),
                ("Content-Type", "application/json"),
                ("X-Forwarded-For", "10.9.8.7, ::1"),
                ("X-Forwarded-Uri", f"{PATH}/namespaces/default/flunders"),
                ("X-Forwarded-Host", f"127.0.0.1:{other.port}"),
                ("X-Forwarded-Proto", "https"),
                ("Audit-Id", "audit-7"),
                ("X-Remote-User", "jane"),
                ("X-Remote-Uid", "u-1"),
                ("X-Remote-Group", "devs"),
                ("X-Remote-Group", "ops"),
                ("X-Remote-Extra-example.com%2Fscope", "a"),
                ("X-Remote-Extra-example.com%2Fscope", "b"),
            ]
        )


async def test_redirects_of_the_server_are_not_passed_on() -> None:
    async with extension() as other, aggregating() as talk:
        await talk.serve(other.port)
        await talk.register()
        await talk.condition("Passed")
        refused = await talk.get(f"{PATH}/elsewhere")
        assert refused.status == 502
        assert refused.response.content == b"the backend attempted to redirect this request, which is not permitted"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    """Of a server whose extension is available."""
    async with extension() as other, aggregating() as talk:
        await talk.serve(other.port)
        await talk.register()
        await talk.condition("Passed")
        edge = Edge(talk.server, port=0)
        await edge.start()
        yield f"http://127.0.0.1:{edge.address[1]}"
        await edge.stop()


async def test_watches_stream_and_upgrades_pass_byte_for_byte(address: str) -> None:
    async with aiohttp.ClientSession(address) as session:
        async with session.get(f"{PATH}/flunders?watch=1") as events:
            assert await events.content.readline() == b'{"type":"ADDED","object":{"kind":"Flunder"}}\n'
        async with session.ws_connect(f"{PATH}/namespaces/default/flunders/a/talk") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str() == "heard hello"


@pytest.mark.parametrize("aggregates", [True, False])
async def test_discovery_tells_what_the_server_tells_and_marks_it_stale_when_it_is_gone(aggregates: bool) -> None:
    async with aggregating() as talk:
        async with extension() as other:
            other.aggregates = aggregates
            await talk.serve(other.port)
            await talk.register()
            await talk.condition("Passed")
            await talk.register("v2.wardle.example.com", service={"namespace": "default", "name": "none"})
            await talk.condition("ServiceNotFound", "v2.wardle.example.com")
            assert await told(talk) == {"version": "v2", "freshness": "Stale"}
            await talk.patch(f"{API_SERVICES}/v2.wardle.example.com", {"spec": {"versionPriority": 1}})
            await gone(talk)
            assert await told(talk) == {"version": VERSION, "resources": [FLUNDERS], "freshness": "Current"}
        await endpoints(talk, "wardle", 1)
        await talk.condition("FailedDiscoveryCheck")
        assert await told(talk) == {"version": VERSION, "resources": [FLUNDERS], "freshness": "Stale"}


@pytest.mark.parametrize("said", [b"no json", b"[]", b'{"items":[1],"paths":{"a":1}}', b'{"items":"x","paths":"y"}'])
async def test_what_the_server_garbles_does_no_harm(said: bytes) -> None:
    async with extension() as other, aggregating() as talk:
        other.garbled = said
        await talk.serve(other.port)
        await talk.register()
        await talk.condition("Passed")
        assert await told(talk) == {"version": VERSION, "freshness": "Stale"}
        other.garbled = b""
        await talk.specs()
        assert (await told(talk))["freshness"] == "Current"


async def test_its_openapi_is_merged_into_version_2_and_passed_on_in_version_3() -> None:
    async with extension() as other, aggregating() as talk:
        await talk.serve(other.port)
        await talk.register()
        await talk.condition("Passed")
        index = await talk.specs()
        assert index[PATH.removeprefix("/")] == {"serverRelativeURL": f"/openapi/v3{PATH}?hash=ABC"}
        assert "apis/apps/v1" in index
        passed = await talk.get(f"/openapi/v3{PATH}", hash="ABC")
        assert passed.body == {"method": "GET", "path": f"/openapi/v3{PATH}?hash=ABC", "body": ""}
        (asked,) = (one for one in other.asked if one.path == f"/openapi/v3{PATH}")
        assert asked.headers["X-Remote-User"] == "system:aggregator"
        whole = (await talk.get("/openapi/v2")).body
        operation = whole["paths"][f"{PATH}/flunders"]["get"]
        assert operation == OPENAPI_V2["paths"][f"{PATH}/flunders"]["get"]
        assert "/version" not in whole["paths"]
        assert "wardle.Unused" not in whole["definitions"]
        renamed = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2"
        assert whole["definitions"][renamed] == {"type": "object"}
        flunder = whole["definitions"]["wardle.Flunder"]
        assert flunder["properties"]["metadata"] == {"$ref": f"#/definitions/{renamed}"}
        await talk.delete(f"{API_SERVICES}/{NAME}")
        await gone(talk)
        assert PATH.removeprefix("/") not in (await talk.get("/openapi/v3")).body["paths"]
        assert f"{PATH}/flunders" not in (await talk.get("/openapi/v2")).body["paths"]


async def gone(talk: Aggregating) -> None:
    """Until what was done before has been looked at."""
    await talk.register("v1.later.example.com", service={"namespace": "default", "name": "none"})
    await talk.condition("ServiceNotFound", "v1.later.example.com")


async def test_it_wins_over_a_definition_of_its_group_version_and_gives_it_back() -> None:
    async with aggregating() as talk:
        await talk.post(DEFINITIONS, definition())
        await talk.condition("Local", "v1.example.com")
        widgets = "/apis/example.com/v1/widgets"
        assert (await talk.get(widgets)).status == 200
        automanaged = {"kube-aggregator.kubernetes.io/automanaged": None}
        remote = {"service": {"namespace": "default", "name": "none"}}
        path = f"{API_SERVICES}/v1.example.com"
        await talk.patch(path, {"metadata": {"labels": automanaged}, "spec": remote})
        await talk.condition("ServiceNotFound", "v1.example.com")
        assert (await talk.get(widgets)).status == 503
        await talk.patch(path, {"spec": {"service": None}})
        await talk.condition("Local", "v1.example.com")
        assert (await talk.get(widgets)).status == 200


async def test_an_upgrade_that_the_server_does_not_make_is_refused(address: str) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1"}
    async with aiohttp.ClientSession(address) as session, session.get(f"{PATH}/flunders", headers=upgrade) as refused:
        assert refused.status == 503
        assert await refused.text() == "invalid upgrade response: status code 200\n"
