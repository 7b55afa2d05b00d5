"""Every operation that OpenAPI publishes, with parameters and bodies of its own schema and with such as are not: none
makes the server fail."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from apiserver.fuzz.answers import is_upstreams
from apiserver.serving import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Answer, Talk, serving
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.http import ApiRequest

PATCHES = (MERGE_PATCH, STRATEGIC_PATCH, JSON_PATCH, "application/apply-patch+yaml")
ENDLESS = ("/watch/", "/proxy")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
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
    body = b"" if isinstance(case.body, schemathesis.core.NotSet) else json.dumps(case.body, default=in_base64).encode()
    return ApiRequest(case.method, path, query, headers, body)


def in_base64(value: bytes) -> str:
    """Of values whose format is said to be bytes."""
    return base64.b64encode(value).decode()


@asynccontextmanager
async def described() -> AsyncIterator[Talk]:
    async with serving() as talk:
        describe(talk.server, address="127.0.0.1:6443", version="v1.36.2")
        yield talk


async def try_operations(
    talk: Talk, path: str, within: str, examples: int, failures: pytest.LogCaptureFixture, modes: Sequence[Any] = MODES
) -> set[int]:
    """Of the document at a path. Returns the codes that were answered."""
    codes: set[int] = set()
    published = (await talk.get(path)).body
    for operation in operations(published, within):
        for mode in modes:
            cases = await asyncio.to_thread(cases_of, operation, examples, mode)
            for index, case in enumerate(cases):
                response = await talk.server.handle(request_of(case, index))
                answer = Answer(response.status, response)
                assert not failures.records, case.as_curl_command()
                assert answer.status != 500 or is_upstreams(answer.message), (case.as_curl_command(), answer.message)
                codes.add(answer.status)
    return codes


def cases_of(operation: Any, examples: int, mode: Any) -> list[Any]:
    """None for what nothing wrong can be said to."""
    found: list[Any] = []

    @settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def collect(case: Any) -> None:
        found.append(case)

    try:
        collect()
    except Unsatisfiable:
        return []
    return found


async def test_no_operation_on_leases_makes_the_server_fail(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    async with described() as talk:
        codes = await try_operations(talk, "/openapi/v3/apis/coordination.k8s.io/v1", "/leases/{name}", 2, caplog)
    assert 404 in codes
    assert max(codes) < 500


@pytest.mark.nightly
@pytest.mark.timeout(3600)
async def test_no_published_operation_makes_the_server_fail(caplog: pytest.LogCaptureFixture) -> None:
    """Of every group and version, what its own document of OpenAPI v3 says; the server is well after each."""
    caplog.set_level(logging.ERROR)
    codes: set[int] = set()
    async with described() as talk:
        index = (await talk.get("/openapi/v3")).body["paths"]
        for path in index:
            codes |= await try_operations(talk, f"/openapi/v3/{path}", "/", 6, caplog)
            assert (await talk.get("/api/v1/namespaces")).status == 200, path
    assert {200, 201, 400, 404, 422} <= codes
