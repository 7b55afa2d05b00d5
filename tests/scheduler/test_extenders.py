"""Extenders: what they are asked, what their answers do, and what happens when they fail."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from aiohttp import web

from pybernetes.api import meta
from pybernetes.api.models import core_v1, scheduling_v1
from pybernetes.apiserver.auth.pki import Pki, serving_context
from pybernetes.scheduler.configuration import documents
from pybernetes.scheduler.configuration.loading import read
from pybernetes.scheduler.configuration.merging import ConfigurationError
from pybernetes.scheduler.extender_http import poster
from pybernetes.scheduler.extenders import ExtenderFailed, Post
from pybernetes.scheduler.profiles import check
from pybernetes.scheduler.registry import ROWS, argument_types
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.testing.cluster import Cluster
from scheduler.configured import configuration
from scheduler.configured import policy as classic

Answer = Callable[[dict[str, Any]], Any]
URL = "http://extender.example"


class Extenders:
    """Programs that answer by URL, and what they were asked."""

    def __init__(self, answers: Mapping[str, Answer]) -> None:
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def poster(self, given: documents.Extender) -> Post:
        async def post(url: str, body: bytes, seconds: float) -> tuple[int, bytes]:
            asked = json.loads(body)
            self.asked.append((url, asked))
            answer = self._answers.get(url)
            if answer is None:
                raise ExtenderFailed(f'Post "{url}": connection refused')
            said = answer(asked)
            return (said, b"") if isinstance(said, int) else (200, json.dumps(said).encode())

        return post


@asynccontextmanager
async def extended(extenders: Extenders, *given: Mapping[str, Any]) -> AsyncIterator[Cluster]:
    async with Cluster(nodes=2, scheduler=False) as cluster:
        await cluster.settle()
        chosen = read(configuration(extenders=list(given)), argument_types())
        scheduler = Scheduler(cluster.client, cluster.clock, Random(1), chosen, poster=extenders.poster)
        running = asyncio.create_task(scheduler.run())
        try:
            yield cluster
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def pod(name: str, requests: Mapping[str, str] | None = None, **spec: Any) -> core_v1.Pod:
    limits = {key: value for key, value in (requests or {}).items() if "/" in key}
    container = {"name": "main", "image": "x", "resources": {"requests": dict(requests or {}), "limits": limits}}
    document = {"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [container], **spec}}
    return msgspec.convert(document, core_v1.Pod)


async def node_of(cluster: Cluster, one: core_v1.Pod) -> str:
    return (await cluster.get(one)).spec.node_name


async def why(cluster: Cluster, one: core_v1.Pod) -> tuple[str, str]:
    found = meta.condition((await cluster.get(one)).status, "PodScheduled")
    return (found.reason, found.message) if found is not None else ("", "")


@pytest.mark.virtual_time
async def test_a_filter_leaves_nodes_out_and_says_why() -> None:
    def only_one(asked: dict[str, Any]) -> Any:
        names = [one["metadata"]["name"] for one in asked["Nodes"]["items"]]
        assert asked["Pod"]["metadata"]["name"] in ("web", "none")
        if asked["Pod"]["metadata"]["name"] == "none":
            return {"Nodes": {"items": []}, "FailedNodes": dict.fromkeys(names, "no licence")}
        left = [one for one in asked["Nodes"]["items"] if one["metadata"]["name"] == "node-1"]
        return {"Nodes": {"items": left}, "FailedAndUnresolvableNodes": {"node-0": "wrong city"}}

    extenders = Extenders({f"{URL}/filter": only_one})
    async with extended(extenders, {"urlPrefix": URL, "filterVerb": "filter"}) as cluster:
        web, none = await cluster.apply(pod("web")), await cluster.apply(pod("none"))
        await cluster.settle()
        assert await node_of(cluster, web) == "node-1"
        assert (await why(cluster, none))[1].startswith("0/2 nodes are available: 2 no licence.")


@pytest.mark.virtual_time
async def test_one_that_keeps_nodes_itself_is_sent_their_names() -> None:
    extenders = Extenders({f"{URL}/filter": lambda asked: {"NodeNames": [max(asked["NodeNames"])]}})
    given = {"urlPrefix": f"{URL}/", "filterVerb": "filter", "nodeCacheCapable": True}
    async with extended(extenders, given) as cluster:
        web = await cluster.apply(pod("web"))
        await cluster.settle()
        assert await node_of(cluster, web) == "node-1"
        assert extenders.asked[0][1]["Nodes"] is None


@pytest.mark.virtual_time
async def test_points_are_weighed_and_added_to_those_of_plugins() -> None:
    def points(asked: dict[str, Any]) -> Any:
        return [{"Host": "node-0", "Score": 0}, {"Host": "node-1", "Score": 10}]

    extenders = Extenders({f"{URL}/prioritize": points})
    async with extended(extenders, {"urlPrefix": URL, "prioritizeVerb": "prioritize", "weight": 5}) as cluster:
        made = [await cluster.apply(pod(f"p{number}")) for number in range(4)]
        await cluster.settle()
        assert {await node_of(cluster, one) for one in made} == {"node-1"}


@pytest.mark.virtual_time
async def test_one_that_fails_fails_the_attempt_unless_it_is_ignorable() -> None:
    broken = {"urlPrefix": URL, "filterVerb": "filter"}
    async with extended(Extenders({f"{URL}/filter": lambda asked: 500}), broken) as cluster:
        web = await cluster.apply(pod("web"))
        await cluster.settle()
        message = f"failed filter with extender at URL {URL}/filter, code 500"
        assert await why(cluster, web) == ("SchedulerError", message)
    async with extended(Extenders({}), {**broken, "ignorable": True}) as cluster:
        web = await cluster.apply(pod("web"))
        await cluster.settle()
        assert await node_of(cluster, web)


@pytest.mark.virtual_time
async def test_one_with_resources_of_its_own_is_asked_about_pods_that_want_them() -> None:
    given = {
        "urlPrefix": URL,
        "filterVerb": "filter",
        "bindVerb": "bind",
        "managedResources": [{"name": "example.com/foo", "ignoredByScheduler": True}],
        "nodeCacheCapable": True,
    }
    extenders = Extenders(
        {f"{URL}/filter": lambda asked: {"NodeNames": asked["NodeNames"]}, f"{URL}/bind": lambda asked: {"Error": ""}}
    )
    async with extended(extenders, given) as cluster:
        plain = await cluster.apply(pod("plain"))
        await cluster.settle()
        assert await node_of(cluster, plain)
        assert extenders.asked == []
        await cluster.apply(pod("special", {"example.com/foo": "1"}))
        await cluster.settle()
        assert [url for url, _ in extenders.asked] == [f"{URL}/filter", f"{URL}/bind"]
        bound = extenders.asked[1][1]
        assert (bound["PodName"], bound["PodNamespace"]) == ("special", "default")
        assert bound["Node"] in ("node-0", "node-1")


@pytest.mark.virtual_time
async def test_victims_are_agreed_on() -> None:
    def spares_node_0(asked: dict[str, Any]) -> Any:
        wanted = asked["NodeNameToVictims"]["node-1"]
        pods = [{"UID": one["metadata"]["uid"]} for one in wanted["Pods"]]
        return {"NodeNameToMetaVictims": {"node-1": {"Pods": pods, "NumPDBViolations": 0}}}

    extenders = Extenders({f"{URL}/preempt": spares_node_0})
    async with extended(extenders, {"urlPrefix": URL, "preemptVerb": "preempt"}) as cluster:
        high = {"metadata": {"name": "high"}, "value": 1000}
        await cluster.apply(msgspec.convert(high, scheduling_v1.PriorityClass))
        for number in range(2):
            await cluster.apply(pod(f"low{number}", {"cpu": "6"}, terminationGracePeriodSeconds=0))
        await cluster.settle()
        vip = await cluster.apply(pod("vip", {"cpu": "6"}, priorityClassName="high"))
        await cluster.settle(quiet=15)
        assert await node_of(cluster, vip) == "node-1"


async def test_extenders_are_reached_over_http() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"sent": await request.json(), "type": request.content_type})

    application = web.Application()
    application.router.add_post("/filter", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        post = poster(documents.Extender(url_prefix=f"http://127.0.0.1:{port}"))
        status, body = await post(f"http://127.0.0.1:{port}/filter", b'{"a":1}', 5.0)
        assert (status, json.loads(body)) == (200, {"sent": {"a": 1}, "type": "application/json"})
    finally:
        await runner.cleanup()
    with pytest.raises(ExtenderFailed, match="Post"):
        await post(f"http://127.0.0.1:{port}/filter", b"{}", 5.0)


@asynccontextmanager
async def secure_extender(pki: Pki) -> AsyncIterator[str]:
    """Answers who asks, by certificate; it lets in whoever has one of its authority."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        shown = request.transport.get_extra_info("peercert")
        names = [value for part in shown["subject"] for name, value in part if name == "commonName"]
        return web.json_response({"asker": names[0]})

    application = web.Application()
    application.router.add_post("/filter", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    context = serving_context(pki.serving(), pki.ca_file)
    context.verify_mode = ssl.CERT_REQUIRED
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    try:
        yield f"https://127.0.0.1:{runner.addresses[0][1]}/filter"
    finally:
        await runner.cleanup()


async def test_an_extender_is_asked_over_tls_with_a_certificate(tmp_path: Path) -> None:
    pki, stranger = Pki(tmp_path / "pki"), Pki(tmp_path / "stranger")
    own = pki.scheduler()
    by_file = {"certFile": str(own.certificate), "keyFile": str(own.key), "caFile": str(pki.ca_file)}
    by_data = {
        "certData": base64.b64encode(own.certificate_pem).decode(),
        "keyData": base64.b64encode(own.key_pem).decode(),
        "caData": base64.b64encode(pki.ca_pem).decode(),
        "caFile": "/data/counts/before/files",
    }
    without_authority = {"certFile": str(own.certificate), "keyFile": str(own.key)}
    async with secure_extender(pki) as url:

        async def asked(**given: Any) -> bytes:
            post = poster(msgspec.convert({"urlPrefix": url, **given}, documents.Extender))
            return (await post(url, b"{}", 5.0))[1]

        told = json.dumps({"asker": "system:kube-scheduler"}).encode()
        assert await asked(enableHTTPS=True, tlsConfig=by_file) == told
        assert await asked(tlsConfig=by_data) == told
        assert await asked(tlsConfig={**by_file, "serverName": "kubernetes"}) == told
        assert await asked(enableHTTPS=True, tlsConfig=without_authority) == told, "upstream then trusts anybody"
        for refused in (
            {"tlsConfig": without_authority},
            {"tlsConfig": {**by_file, "caFile": str(stranger.ca_file)}},
            {"tlsConfig": {**by_file, "serverName": "another.example"}},
            {"tlsConfig": {"caFile": str(pki.ca_file)}},
        ):
            with pytest.raises(ExtenderFailed):
                await asked(**refused)


@pytest.mark.parametrize(
    ("tls", "message"),
    [
        (
            {"insecure": True, "caFile": "/somewhere"},
            "specifying a root certificates file with the insecure flag is not allowed",
        ),
        ({"certFile": "/not/there", "keyFile": "/not/there"}, "open /not/there: no such file or directory"),
    ],
)
def test_what_cannot_be_used_for_tls_is_told_before_anything_starts(tls: dict[str, Any], message: str) -> None:
    chosen = read(configuration(extenders=[{"urlPrefix": "https://x", "tlsConfig": tls}]), argument_types())
    with pytest.raises(ConfigurationError) as told:
        check(chosen, ROWS)
    assert str(told.value) == f"couldn't build extenders: {message}"


@pytest.mark.parametrize(
    ("extenders", "message"),
    [
        (
            [{"urlPrefix": URL, "prioritizeVerb": "p"}],
            "extenders[0].weight: Invalid value: 0: must have a positive weight applied to it",
        ),
        (
            [{"urlPrefix": URL, "bindVerb": "b"}, {"urlPrefix": URL, "bindVerb": "b"}],
            'extenders: Invalid value: "found 2 extenders implementing bind": only one extender can implement bind',
        ),
        (
            [{"urlPrefix": URL, "managedResources": [{"name": "kubernetes.io/foo"}]}],
            'extenders[0].managedResources[0].name: Invalid value: "kubernetes.io/foo": '
            "is an invalid extended resource name",
        ),
        ([{"urlPrefix": URL, "verb": "x"}], 'strict decoding error: unknown field "extenders[0].verb"'),
    ],
)
def test_what_cannot_be_is_told_in_upstreams_words(extenders: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        read(configuration(extenders=extenders), argument_types())
    assert str(told.value) == message


def test_a_classic_policy_names_extenders_in_its_own_way() -> None:
    old = {"urlPrefix": URL, "filterVerb": "filter", "enableHttps": True, "httpTimeout": 2_000_000_000}
    found = read({**classic(), "extenders": [old]}, argument_types()).document.extenders[0]
    assert (found.enable_https, found.http_timeout) == (True, "2000000000ns")
