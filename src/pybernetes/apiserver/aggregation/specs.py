"""OpenAPI of the server behind an APIService: its index of version 3, and its part of version 2.

Follows pkg/controllers/openapi/aggregator and pkg/controllers/openapiv3/aggregator of kube-aggregator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pybernetes.apiserver.aggregation.dialing import SPEC_READER, Answer, Dialer, NoAnswer, decode_answer
from pybernetes.apiserver.aggregation.records import Remote
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse
from pybernetes.apiserver.openapi.merging import below
from pybernetes.apiserver.proxy.backend import NOTHING, forwarded
from pybernetes.apiserver.resource import Document

ANSWER_SECONDS = 60.0


class _Address(msgspec.Struct):
    address: str = msgspec.field(default="", name="serverRelativeURL")


class _Index(msgspec.Struct):
    paths: dict[str, _Address] = {}


class _Version2(msgspec.Struct):
    """What of OpenAPI v2 is merged."""

    paths: dict[str, Any] = {}
    definitions: dict[str, Any] = {}


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
    return Specs(index, _part(answer, f"{remote.path}/"), answer.headers.get("ETag", ""))


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
    paths = decode_answer(answer, _Index, "OpenAPI").paths
    return {path: one.address for path, one in paths.items() if one.address}


def _part(answer: Answer, prefix: str) -> Document:
    read = decode_answer(answer, _Version2, "OpenAPI")
    return below({"paths": read.paths, "definitions": read.definitions}, prefix)
