"""Every operation that OpenAPI publishes, with parameters and bodies of its own schema: none makes the server fail."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from apiserver.serving import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, serving
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.http import ApiRequest

PATCHES = (MERGE_PATCH, STRATEGIC_PATCH, JSON_PATCH, "application/apply-patch+yaml")
ENDLESS = ("/watch/", "/proxy")
OF_KUBELETS = ("exec", "attach", "portforward", "log")


def operations(document: dict[str, Any], within: str) -> Iterator[Any]:
    for found in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = found.ok()
        endless = any(part in operation.path for part in ENDLESS) or operation.path.endswith(OF_KUBELETS)
        if within in operation.path and not endless:
            yield operation


def request_of(case: Any, index: int) -> ApiRequest:
    path = case.path
    for name, value in (case.path_parameters or {}).items():
        path = path.replace(f"{{{name}}}", str(value))
    query = {name: [str(value)] for name, value in (case.query or {}).items() if name != "watch"}
    headers = {"accept": "application/json"}
    if case.method == "PATCH":
        headers["content-type"] = PATCHES[index % len(PATCHES)]
    body = b"" if isinstance(case.body, schemathesis.core.NotSet) else json.dumps(case.body).encode()
    return ApiRequest(case.method, path, query, headers, body)


async def try_operations(within: str, examples: int, failures: pytest.LogCaptureFixture) -> set[int]:
    """Returns the codes that were answered."""
    codes: set[int] = set()
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        published = (await talk.get("/openapi/v2")).body
        for operation in operations(published, within):
            cases = await asyncio.to_thread(cases_of, operation, examples)
            for index, case in enumerate(cases):
                answer = await talk.server.handle(request_of(case, index))
                assert not failures.records, case.as_curl_command()
                codes.add(answer.status)
    return codes


def cases_of(operation: Any, examples: int) -> list[Any]:
    found: list[Any] = []

    @settings(max_examples=examples, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy())
    def collect(case: Any) -> None:
        found.append(case)

    collect()
    return found


async def test_no_operation_on_pods_makes_the_server_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert {200, 404, 422} <= await try_operations("/namespaces/{namespace}/pods", 2, caplog)


@pytest.mark.nightly
@pytest.mark.timeout(3600)
async def test_no_published_operation_makes_the_server_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    assert {200, 201, 400, 404, 422} <= await try_operations("/", 25, caplog)
