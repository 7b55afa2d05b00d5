"""metrics.k8s.io reads its queries as every other list does."""

from __future__ import annotations

from typing import cast

import orjson
import pytest

from apiserver.serving import serving
from pybernetes.api.clock import SystemClock
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.metrics_api import MetricsApi
from pybernetes.apiserver.proxy.backend import Backend
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.routes import Call

NODES = "/apis/metrics.k8s.io/v1beta1/nodes"


def asked(**query: str) -> Call:
    request = ApiRequest("GET", NODES, {name: [value] for name, value in query.items()})
    return Call(request, parse(request), User("admin"))


async def test_a_selector_that_cannot_be_read_is_refused() -> None:
    async with serving() as talk:
        metrics = MetricsApi(talk.server.reader, cast(Backend, None), SystemClock())
        found = orjson.loads((await metrics.handle(asked(labelSelector="a=b"))).content)
        assert (found["kind"], found["items"]) == ("NodeMetricsList", [])
        with pytest.raises(ApiError) as refused:
            await metrics.handle(asked(labelSelector="a in ("))
    assert refused.value.code == 400
