"""OpenAPI of the server behind an APIService: its index of version 3, and its part of version 2.

Follows pkg/controllers/openapi/aggregator and pkg/controllers/openapiv3/aggregator of kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from pybernetes.apiserver.aggregation.dialing import SPEC_READER, Answer, Dialer, NoAnswer
from pybernetes.apiserver.aggregation.records import Remote
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse
from pybernetes.apiserver.openapi.merging import below
from pybernetes.apiserver.proxy.backend import NOTHING, forwarded
from pybernetes.apiserver.resource import Document

ANSWER_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Specs:
    """``index`` leads from `apis/GROUP/VERSION` to an address at that server."""

    index: Mapping[str, str] = field(default_factory=dict)
    v2: Document | None = None
    etag: str = ""
    """Of version 2."""


async def read_specs(dialer: Dialer, remote: Remote, before: Specs) -> Specs:
    """Raises ``NoAnswer``. A server without OpenAPI tells nothing; one that only has version 2 is in no index."""
    index = _index(await dialer.ask("/openapi/v3", SPEC_READER, {"Accept": JSON}, ANSWER_SECONDS))
    known = {"If-None-Match": before.etag} if before.etag else {}
    answer = await dialer.ask("/openapi/v2", SPEC_READER, {"Accept": JSON, **known}, ANSWER_SECONDS)
    if answer.status == 304:
        return Specs(index, before.v2, before.etag)
    if answer.status == 404:
        return Specs(index)
    if answer.status != 200:
        raise NoAnswer(f"failed to retrieve openAPI spec, http error: {answer.status}")
    return Specs(index, below(_read(answer), f"{remote.path}/"), answer.headers.get("ETag", ""))


async def fetch_spec(dialer: Dialer, request: ApiRequest) -> ApiResponse:
    """One document of version 3, as that server gives it. Raises ``NoAnswer``."""
    asked = request.param("hash")
    path = f"{request.path}?hash={asked}" if asked else request.path
    answer = await dialer.ask(path, SPEC_READER, forwarded(request.headers, NOTHING), ANSWER_SECONDS)
    kept = ("Content-Type", "ETag", "Cache-Control", "Expires", "Vary", "Location", "Last-Modified")
    return ApiResponse(
        answer.status, answer.body, {name: answer.headers[name] for name in kept if name in answer.headers}
    )


def _index(answer: Answer) -> dict[str, str]:
    if answer.status != 200:
        return {}
    paths = _read(answer).get("paths") or {}
    return {path: one["serverRelativeURL"] for path, one in paths.items() if one.get("serverRelativeURL")}


def _read(answer: Answer) -> Document:
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise NoAnswer(f"the server's OpenAPI is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise NoAnswer("the server's OpenAPI is no object")
    return document
