"""Answers `/api`, `/apis` and what is below them.

Guarantees
  Documents are built when the set of served resources changes, and only their bytes are sent after that.
  The aggregated form is told apart by the Accept header, carries a quoted SHA-512 as its ETag, and is answered with
  304 to a client that has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.answers import media_answer
from pybernetes.apiserver.discovery import documents
from pybernetes.apiserver.discovery.priorities import GROUPS
from pybernetes.apiserver.discovery.served import ServedGroup, ServedVersion, as_registered, groups_of
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse, json_response, no_such_page
from pybernetes.apiserver.negotiation import (
    PROTOBUF,
    YAML,
    Encoding,
    Media,
    Offer,
    media_of,
    require_acceptable,
    wants_pretty,
)
from pybernetes.apiserver.routes import Call, Routes

AGGREGATED_VERSIONS = ("v2",)
_GROUP = "apidiscovery.k8s.io"
_KIND = "APIGroupDiscoveryList"
_ACCEPTED = f"{JSON}, application/yaml, application/vnd.kubernetes.protobuf"


Source = Callable[[], Iterable[ServedVersion]]
Overlay = Callable[[tuple[ServedVersion, ...]], Iterable[ServedVersion]]
"""Given what this server serves, what clients are told instead."""


@dataclass(frozen=True, slots=True)
class _Aggregated:
    body: bytes
    etag: str


class Discovery:
    """`update` tells what is served; `register` puts the answers into the server's routes.

    Documents are built when somebody asks after a change, so that many changes in a row cost nothing.
    """

    def __init__(self, server_address: str) -> None:
        self._server_address = server_address
        self._plain: dict[str, bytes] = {}
        self._aggregated: dict[tuple[str, str], _Aggregated] = {}
        self._sources: dict[str, Source] = {}
        self._overlay: Overlay | None = None
        self._groups: tuple[ServedGroup, ...] | None = None

    def register(self, routes: Routes) -> None:
        routes.prefix("/api", self.handle)
        routes.prefix("/apis", self.handle)

    def update(self, part: str, versions: Iterable[ServedVersion]) -> None:
        """Replace what `part` (a name of the caller's: "virtual", "aggregated" …) serves."""
        found = tuple(versions)
        self.follow(part, lambda: found)

    def follow(self, part: str, source: Source) -> None:
        """`source` is asked again after each `invalidate`."""
        self._sources[part] = source
        self.invalidate()

    def overlay(self, change: Overlay) -> None:
        """``change`` is asked again after each `invalidate`."""
        self._overlay = change
        self.invalidate()

    def local(self) -> tuple[ServedVersion, ...]:
        """What this server serves itself; several parts of one group version are several values."""
        return tuple(version for source in self._sources.values() for version in source())

    def invalidate(self) -> None:
        self._groups = None

    @property
    def _documents(self) -> Mapping[str, bytes]:
        """Those of the present, by path."""
        return self._plain if self.groups else {}

    @property
    def groups(self) -> tuple[ServedGroup, ...]:
        """The same value until something changes."""
        if self._groups is None:
            versions = self.local()
            self._groups = groups_of(versions if self._overlay is None else self._overlay(versions))
            self._build(self._groups)
        return self._groups

    def _build(self, groups: tuple[ServedGroup, ...]) -> None:
        core = [group for group in groups if not group.group]
        named = [group for group in groups if group.group]
        plain = {
            "/api": documents.api_versions(core[0] if core else None, self._server_address),
            "/apis": documents.group_list(_listed(as_registered(named))),
        }
        for group in as_registered(groups):
            if group.group:
                plain[f"/apis/{group.group}"] = documents.group(group)
            for version in group.versions:
                if version.resources:
                    plain[version.path] = documents.resource_list(version)
        self._plain = {path: orjson.dumps(document) + b"\n" for path, document in plain.items()}
        self._aggregated = {
            (path, version): _aggregate(found, version)
            for path, found in (("/api", core), ("/apis", named))
            for version in AGGREGATED_VERSIONS
        }

    @property
    def paths(self) -> list[str]:
        groups = self.groups
        versions = [version.path for group in groups for version in group.versions]
        return ["/api", "/apis", "/apis/", *versions, *(f"/apis/{one.group}" for one in groups if one.group)]

    async def handle(self, call: Call) -> ApiResponse:
        return self.answer(call.request)

    def answer(self, request: ApiRequest) -> ApiResponse:
        path = request.path.rstrip("/")
        plain = self._documents.get(path)
        if plain is None:
            if _is_built_in(path):
                raise errors.path_not_found()
            return no_such_page()
        if not _takes_any_method(path):
            if request.method != "GET":
                raise errors.method_not_allowed()
            if _is_built_in(path):
                require_acceptable(request, "get")
        if path not in ("/api", "/apis"):
            return _answer_plain(request, plain)
        wanted = negotiated(request.headers.get("accept", ""))
        if wanted is None:
            raise errors.not_acceptable(f"only the following media types are accepted: {_ACCEPTED}")
        if not wanted:
            return _answer_plain(request, plain)
        encoding, version = wanted
        return _answer_aggregated(self._aggregated[path, version], encoding, version, request)


def _is_built_in(path: str) -> bool:
    """Whether resources of upstream's own are below it."""
    parts = path.split("/")
    return parts[1] == "api" or (len(parts) > 2 and parts[2] in GROUPS and not _takes_any_method(path))


def _takes_any_method(path: str) -> bool:
    """The groups and what tells of one are served beside the resources, as by upstream's aggregator, whose own group is
    not."""
    return (
        path != "/apis/apiregistration.k8s.io"
        and path.startswith("/apis")
        and path.count("/") < len(("", "apis", "GROUP"))
    )


def _answer_plain(request: ApiRequest, plain: bytes) -> ApiResponse:
    """Raises 406."""
    media = media_of(request, Offer.DOCUMENT)
    if media.plain and not wants_pretty(request):
        return json_response(plain)
    return media_answer(request, orjson.loads(plain), media)


def _listed(groups: list[ServedGroup]) -> list[ServedGroup]:
    registered = (ServedGroup(one.group, tuple(v for v in one.versions if v.registered)) for one in groups)
    return [one for one in registered if one.versions]


def _answer_aggregated(found: _Aggregated, encoding: Encoding, version: str, request: ApiRequest) -> ApiResponse:
    sent = {"Etag": found.etag, "Vary": "Accept", "Cache-Control": "public"}
    if request.headers.get("if-none-match", "") == found.etag:
        return ApiResponse(304, b"", sent)
    sent["Content-Type"] = f"{encoding.value};g={_GROUP};v={version};as={_KIND}"
    body = found.body
    if encoding is not Encoding.JSON:
        body = media_answer(request, orjson.loads(body), Media(encoding)).content
    return ApiResponse(200, body, sent)


def _aggregate(groups: list[ServedGroup], version: str) -> _Aggregated:
    body = orjson.dumps(documents.aggregated(groups, f"{_GROUP}/{version}"))
    return _Aggregated(body + b"\n", f'"{hashlib.sha512(body).hexdigest().upper()}"')


_ENCODINGS = {
    JSON: Encoding.JSON,
    "application/*": Encoding.JSON,
    "*/*": Encoding.JSON,
    YAML: Encoding.YAML,
    PROTOBUF: Encoding.PROTOBUF,
}


@lru_cache(maxsize=64)
def negotiated(accept: str) -> tuple[Encoding, str] | tuple[()] | None:
    """How the aggregated form is wanted, and in which version; () for the plain form, None if neither will do.

    The aggregated form is preferred wherever it stands.
    """
    clauses = []
    for text in (accept or "*/*").split(","):
        kind, *rest = (part.strip() for part in text.split(";"))
        parameters = dict(part.partition("=")[::2] for part in rest)
        if kind in _ENCODINGS:
            clauses.append((_ENCODINGS[kind], {name.strip(): value.strip() for name, value in parameters.items()}))
    clauses.sort(key=lambda clause: -_quality(clause[1]))
    for encoding, parameters in clauses:
        asked = (parameters.get("g"), parameters.get("as"))
        if asked == (_GROUP, _KIND) and parameters.get("v") in AGGREGATED_VERSIONS:
            return encoding, parameters["v"]
    return () if any("as" not in parameters for _, parameters in clauses) else None


def _quality(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 1.0
