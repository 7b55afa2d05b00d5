"""Answers `/api`, `/apis` and what is below them.

Guarantees
  Documents are built when the set of served resources changes, and only their bytes are sent after that.
  The aggregated form is told apart by the Accept header, carries a quoted SHA-512 as its ETag, and is answered with
  304 to a client that has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.discovery import documents
from pybernetes.apiserver.discovery.served import ServedGroup, ServedVersion, groups_of
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse, json_response
from pybernetes.apiserver.routes import Call, Routes

AGGREGATED_VERSIONS = ("v2", "v2beta1")
_GROUP = "apidiscovery.k8s.io"
_KIND = "APIGroupDiscoveryList"
_ACCEPTED = f"{JSON}, {JSON};g={_GROUP};v=v2;as={_KIND}"


@dataclass(frozen=True, slots=True)
class _Aggregated:
    body: bytes
    etag: str


class Discovery:
    """`update` tells what is served; `register` puts the answers into the server's routes."""

    def __init__(self, server_address: str) -> None:
        self._server_address = server_address
        self._plain: dict[str, bytes] = {}
        self._aggregated: dict[tuple[str, str], _Aggregated] = {}
        self._parts: dict[str, tuple[ServedVersion, ...]] = {}
        self.groups: tuple[ServedGroup, ...] = ()

    def register(self, routes: Routes) -> None:
        routes.prefix("/api", self.handle)
        routes.prefix("/apis", self.handle)

    def update(self, part: str, versions: Iterable[ServedVersion]) -> None:
        """Replace what `part` (a name of the caller's: "builtin", "crd" …) serves."""
        self._parts[part] = tuple(versions)
        self.groups = groups_of(version for one in self._parts.values() for version in one)
        core = [group for group in self.groups if not group.group]
        named = [group for group in self.groups if group.group]
        plain = {
            "/api": documents.api_versions(core[0] if core else None, self._server_address),
            "/apis": documents.group_list(named),
        }
        for group in self.groups:
            if group.group:
                plain[f"/apis/{group.group}"] = documents.group(group)
            for version in group.versions:
                plain[version.path] = documents.resource_list(version)
        self._plain = {path: orjson.dumps(document) + b"\n" for path, document in plain.items()}
        self._aggregated = {
            (path, version): _aggregate(groups, version)
            for path, groups in (("/api", core), ("/apis", named))
            for version in AGGREGATED_VERSIONS
        }

    @property
    def paths(self) -> list[str]:
        return sorted(self._plain)

    async def handle(self, call: Call) -> ApiResponse:
        return self.answer(call.request)

    def answer(self, request: ApiRequest) -> ApiResponse:
        path = request.path.rstrip("/")
        plain = self._plain.get(path)
        if plain is None:
            return ApiResponse(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        if request.method not in ("GET", "HEAD"):
            raise errors.method_not_supported("", request.method)
        if path not in ("/api", "/apis"):
            return json_response(plain)
        wanted = negotiated(request.headers.get("accept", ""))
        if wanted is None:
            raise errors.not_acceptable(f"only the following media types are accepted: {_ACCEPTED}")
        if not wanted:
            return ApiResponse(200, plain, {"Content-Type": JSON, "Vary": "Accept"})
        return _answer_aggregated(self._aggregated[path, wanted], wanted, request.headers)


def _answer_aggregated(found: _Aggregated, version: str, headers: Mapping[str, str]) -> ApiResponse:
    sent = {"ETag": found.etag, "Vary": "Accept", "Cache-Control": "public"}
    if found.etag in (part.strip() for part in headers.get("if-none-match", "").split(",")):
        return ApiResponse(304, b"", sent)
    sent["Content-Type"] = f"{JSON};g={_GROUP};v={version};as={_KIND}"
    return ApiResponse(200, found.body, sent)


def _aggregate(groups: list[ServedGroup], version: str) -> _Aggregated:
    body = orjson.dumps(documents.aggregated(groups, f"{_GROUP}/{version}")) + b"\n"
    return _Aggregated(body, f'"{hashlib.sha512(body).hexdigest().upper()}"')


@lru_cache(maxsize=64)
def negotiated(accept: str) -> str | None:
    """The version of the aggregated form that is wanted, "" for the plain form, None if neither will do."""
    clauses = []
    for text in (accept or "*/*").split(","):
        kind, *rest = (part.strip() for part in text.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        clauses.append((kind, {name.strip(): value.strip() for name, value in parameters.items()}))
    clauses.sort(key=lambda clause: -_quality(clause[1]))
    for kind, parameters in clauses:
        if kind not in (JSON, "application/*", "*/*"):
            continue
        if "as" not in parameters:
            return ""
        asked = (parameters.get("g"), parameters["as"])
        if asked == (_GROUP, _KIND) and parameters.get("v") in AGGREGATED_VERSIONS:
            return parameters["v"]
    return None


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0
