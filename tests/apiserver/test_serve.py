"""The edge: HTTP around the API server, over a real connection on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson

from apiserver.serving import CONFIG_MAPS, Talk, config_map, serving
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.serve import Edge


@asynccontextmanager
async def listening(options: ServerOptions | None = None) -> AsyncIterator[tuple[Talk, Edge, aiohttp.ClientSession]]:
    async with serving(options=options) as talk:
        edge = Edge(talk.server, port=0)
        await edge.start()
        host, port = edge.address
        try:
            async with aiohttp.ClientSession(f"http://{host}:{port}") as session:
                yield talk, edge, session
        finally:
            await edge.stop()


async def test_an_object_is_made_and_read_over_a_connection() -> None:
    async with listening() as (_, _, session):
        async with session.post(CONFIG_MAPS, json=config_map("web", key="value")) as made:
            assert (made.status, made.content_type) == (201, "application/json")
        async with session.get(f"{CONFIG_MAPS}/web") as found:
            assert (await found.json())["data"] == {"key": "value"}
            assert found.headers["Cache-Control"] == "no-cache, private"


async def test_paths_are_unquoted_and_queries_read() -> None:
    async with listening() as (_, _, session):
        await (await session.post(CONFIG_MAPS, json=config_map("web", {"a": "b c"[0]}))).read()
        async with session.get(f"{CONFIG_MAPS}?labelSelector=a%20in%20(b%2Cc)") as found:
            assert len((await found.json())["items"]) == 1


async def test_warnings_are_headers() -> None:
    async with listening() as (_, _, session):
        document = {**config_map("web"), "odd": 1}
        async with session.post(CONFIG_MAPS, json=document) as made:
            assert made.headers.getall("Warning") == ['299 - "unknown field \\"odd\\""']


async def test_a_watch_streams_a_line_per_event_and_ends_with_the_server() -> None:
    async with listening() as (_, edge, session):
        await (await session.post(CONFIG_MAPS, json=config_map("first"))).read()
        async with session.get(CONFIG_MAPS, params={"watch": "1"}) as stream:
            assert orjson.loads(await stream.content.readline())["object"]["metadata"]["name"] == "first"
            await (await session.post(CONFIG_MAPS, json=config_map("second"))).read()
            event = orjson.loads(await stream.content.readline())
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "second")
            await edge.stop()
            assert await stream.content.readline() == b""


async def test_a_client_that_goes_is_no_longer_told() -> None:
    async with listening() as (talk, _, session):
        subscribers = talk.server.endpoints["", "v1", "configmaps"].registry.cache.subscribers
        async with session.get(CONFIG_MAPS, params={"watch": "1", "timeoutSeconds": "600"}) as stream:
            assert stream.status == 200
            assert len(subscribers) == 1
        async with asyncio.timeout(120):
            while len(subscribers):  # noqa: ASYNC110  the other side of the connection notices in its own time
                await asyncio.sleep(0)


async def test_a_body_over_the_limit_is_too_large() -> None:
    async with (
        listening(ServerOptions(max_body=1000)) as (_, _, session),
        session.post(CONFIG_MAPS, json=config_map("web", key="x" * 2000)) as refused,
    ):
        assert refused.status == 413
        assert (await refused.json())["reason"] == "RequestEntityTooLarge"


async def test_health_is_told_check_by_check() -> None:
    async with listening() as (talk, _, session):
        async with session.get("/readyz") as ready:
            assert (ready.status, await ready.text()) == (200, "ok")
        talk.assembled.health.ready["odd"] = _unwell
        async with session.get("/readyz?verbose") as unready:
            text = await unready.text()
            assert unready.status == 500
            assert "[+]ping ok\n" in text
            assert "[-]odd failed: reason withheld\n" in text
        async with session.get("/readyz?exclude=odd") as excluded:
            assert excluded.status == 200
        talk.server.stopping = True
        async with session.get("/readyz/shutdown") as ending:
            assert ending.status == 500
        async with session.get("/livez") as alive:
            assert alive.status == 200
        async with session.get("/livez/ping") as ping:
            assert await ping.text() == "ok"
        async with session.get("/version") as version:
            assert (await version.json())["minor"] == "36"


async def _unwell() -> str | None:
    return "not well"


async def test_requests_are_counted_by_verb_and_resource() -> None:
    async with listening() as (talk, edge, session):
        talk.server.routes.exact("/metrics", edge.metrics.serve)
        await (await session.get(CONFIG_MAPS)).read()
        async with session.get("/metrics") as metrics:
            text = await metrics.text()
        assert (
            'apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="configmaps",'
            'scope="namespace",subresource="",verb="LIST",version="v1"} 1.0' in text
        )
        async with session.delete("/metrics") as reset:
            assert await reset.text() == "metrics reset\n"
        async with session.get("/metrics") as metrics:
            assert 'resource="configmaps"' not in (await metrics.text()).partition("apiserver_longrunning")[0]


async def test_a_path_that_stops_before_its_resource_is_told_in_plain_text() -> None:
    async with serving() as talk:
        for path in ("/api/v1/watch", "/apis/apps/v1/watch"):
            answer = await talk.get(path)
            assert (answer.status, answer.response.content.decode()) == (
                500,
                f'Internal Server Error: "{path}": failed to create RequestInfo: '
                f"unable to determine kind and namespace from url, {path}\n",
            )


async def test_checks_go_by_upstreams_names() -> None:
    async with serving() as talk:
        verbose = (await talk.get("/readyz", verbose="")).response.content.decode()
        assert verbose.startswith("[+]ping ok\n[+]log ok\n[+]informer-sync ok\n[+]poststarthook/")
        assert verbose.endswith("[+]shutdown ok\nreadyz check passed\n")
        for path in ("/livez/etcd", "/healthz/poststarthook/bootstrap-controller", "/readyz/informer-sync"):
            answer = await talk.get(path)
            assert (answer.status, answer.response.content) == (200, b"ok")
        indicators = (await talk.get("/metrics/slis")).response.content
        assert b'kubernetes_healthcheck{name="etcd",type="livez"} 1\n' in indicators
