"""metrics.k8s.io reads its queries as every other list does."""

from __future__ import annotations

from typing import cast

import orjson
import pytest

from apiserver.serving import serving
from pybernetes.api.clock import SystemClock
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.metrics_api import Advertised, MetricsApi
from pybernetes.apiserver.proxy.backend import Backend
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.routes import Call

PLAIN_NODES = "/api/v1/nodes"
NODES = "/apis/metrics.k8s.io/v1beta1/nodes"


def asked(**query: str) -> Call:
    request = ApiRequest("GET", NODES, {name: [value] for name, value in query.items()})
    return Call(request, parse(request), User("admin"))


async def test_a_selector_that_cannot_be_read_is_refused() -> None:
    async with serving() as talk:
        metrics = MetricsApi(talk.server.reader, cast(Backend, None), SystemClock())
        assert (await metrics.handle(asked())).status == 404
        made = await talk.post(PLAIN_NODES, {"metadata": {"name": "n"}})
        await talk.server.watch_cache.at_least(int(made.version))
        found = orjson.loads((await metrics.handle(asked(labelSelector="a=b"))).content)
        assert (found["kind"], found["items"]) == ("NodeMetricsList", [])
        with pytest.raises(ApiError) as refused:
            await metrics.handle(asked(labelSelector="a in ("))
    assert refused.value.code == 400


async def test_the_group_is_told_of_as_long_as_there_is_a_node() -> None:
    async with serving() as talk:
        discovery = describe(talk.server, address="127.0.0.1:6443", version="v1.36.2").discovery
        nodes = talk.server.registry("", "v1", "nodes").cache
        advertised = Advertised(nodes, talk.server.tell_of_served_change)
        discovery.follow("metrics", advertised.served)
        advertised.start()

        async def is_told_of() -> bool:
            groups = (await talk.get("/apis")).body["groups"]
            return "metrics.k8s.io" in {one["name"] for one in groups}

        assert not await is_told_of()
        made = await talk.post(PLAIN_NODES, {"metadata": {"name": "n"}})
        await talk.server.watch_cache.at_least(int(made.version))
        assert await is_told_of()
        gone = await talk.delete(f"{PLAIN_NODES}/n")
        assert gone.status == 200
        last = await talk.post(PLAIN_NODES, {"metadata": {"name": "n"}})
        await talk.delete(f"{PLAIN_NODES}/n")
        await talk.server.watch_cache.at_least(int(last.version) + 1)
        assert not await is_told_of()
