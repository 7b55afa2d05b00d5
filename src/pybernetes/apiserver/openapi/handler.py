"""Answers `/openapi/v3`, `/openapi/v3/api/v1`, `/openapi/v3/apis/GROUP/VERSION` and `/openapi/v2`.

Guarantees
  A document is built when it is first asked for after the served resources changed, and kept as bytes.
  The index names each document with a hash, which is its ETag too; asked with that hash it may be cached for good, with
  an older one the client is sent to the present address (301). JSON is the only form of v3: a client that accepts no
  JSON gets 406, without a word. v2 is had as protobuf too, which is all that client-go asks for. The index is sent
  whatever the client accepts, and only if it is newer than what the client has.

Follows k8s.io/kube-openapi/pkg/handler3.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from email.utils import formatdate, parsedate_to_datetime
from time import time
from typing import Any, Protocol

import orjson

from pybernetes.api import go_json
from pybernetes.apiserver.discovery.served import ServedGroup, ServedVersion
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse
from pybernetes.apiserver.openapi import gnostic
from pybernetes.apiserver.openapi.merging import merged
from pybernetes.apiserver.openapi.pages import Page, pages_of
from pybernetes.apiserver.openapi.parameters import share
from pybernetes.apiserver.openapi.paths import Paths
from pybernetes.apiserver.openapi.schemas import Dialect, Schemas, type_of_kind
from pybernetes.apiserver.openapi.values import option_versions, option_versions_of_clients
from pybernetes.apiserver.routes import Call, Routes

log = logging.getLogger(__name__)

_OF_VERBS = {
    "delete": ("meta_v1.DeleteOptions", "meta_v1.Status"),
    "patch": ("patch",),
    "watch": ("meta_v1.WatchEvent",),
}
_ACCEPTABLE = (JSON, "application/*", "*/*", "")
_PRIVATE = "no-cache, private"
_IMMUTABLE = "public, immutable"
_YEAR_SECONDS = 31536000


_SECURITY = {
    "BearerToken": {
        "type": "apiKey",
        "description": "Bearer Token authentication",
        "name": "authorization",
        "in": "header",
    }
}


_INFO_OF_CUSTOM = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}


class Elsewhere(Protocol):
    """Documents of another server. ``index`` leads from `apis/GROUP/VERSION` to its address there."""

    @property
    def index(self) -> Mapping[str, str]: ...

    @property
    def v2(self) -> dict[str, Any] | None:
        """Its paths and definitions."""

    async def fetch(self, request: ApiRequest) -> ApiResponse: ...


class OpenApi:
    """`groups` tells what is served now; `version` names this build in the documents and their hashes. What others
    serve is in ``elsewhere``; after a change of it, ``invalidate``."""

    def __init__(self, groups: Callable[[], tuple[ServedGroup, ...]], version: str) -> None:
        self._groups = groups
        self._version = version
        self._info = {"title": "Kubernetes", "version": ".".join(version.removeprefix("v").split(".")[:2])}
        self._seen: tuple[ServedGroup, ...] | None = None
        self._told: dict[str, ServedVersion | Page] = {}
        self._hashes: dict[str, str] = {}
        self._bodies: dict[str, asyncio.Future[bytes]] = {}
        self._index = b""
        self._changed_at = 0
        self._changed = ""
        self._v2_hashes: dict[str, tuple[bytes, str]] = {}
        self.elsewhere: dict[str, Elsewhere] = {}
        self._fetched: dict[str, Elsewhere] = {}

    def invalidate(self) -> None:
        self._seen = None

    def register(self, routes: Routes) -> None:
        routes.prefix("/openapi/v3", self.handle)
        routes.exact("/openapi/v3/", self.handle)
        routes.exact("/openapi/v2", self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        return await self.answer(call.request)

    async def answer(self, request: ApiRequest) -> ApiResponse:
        path = request.path.rstrip("/")
        self._refresh()
        if request.path == "/openapi/v3":
            return self._answer_index(request)
        accept = request.headers.get("accept", "")
        if path == "/openapi/v2":
            return await self._answer_v2(request, accept)
        told = self._told.get(request.path)
        if told is None and path in self._fetched:
            return await self._fetched[path].fetch(request)
        if told is None:
            return ApiResponse(404)
        if not _accepts(accept, _ACCEPTABLE):
            return _not_acceptable()
        asked, present = request.param("hash"), self._hashes[path]
        if asked and asked != present:
            moved = {
                "Location": f"{path}?hash={present}",
                "Etag": f'"{present}"',
                "Vary": "Accept",
                "Content-Type": JSON,
            }
            return ApiResponse(301, b"", moved)
        body = await self._body(path, lambda: self._build_v3(told))
        return self._answer(request, body, present, is_for_good=bool(asked))

    async def _answer_v2(self, request: ApiRequest, accept: str) -> ApiResponse:
        if _accepts(accept, gnostic.REQUESTED):
            media_type, build = gnostic.MEDIA_TYPE, self._build_v2_protobuf
        elif _accepts(accept, _ACCEPTABLE):
            media_type, build = JSON, self._build_v2
        else:
            return _not_acceptable()
        body = await self._body(f"v2 {media_type}", build)
        return self._answer(request, body, await self._hash_of_v2(media_type, body), media_type=media_type)

    async def _hash_of_v2(self, media_type: str, body: bytes) -> str:
        known = self._v2_hashes.get(media_type)
        if known is None or known[0] is not body:
            known = self._v2_hashes[media_type] = body, await asyncio.to_thread(_digest, body)
        return known[1]

    def _answer_index(self, request: ApiRequest) -> ApiResponse:
        headers = {"Accept-Ranges": "bytes", "Cache-Control": _PRIVATE, "Last-Modified": self._changed}
        if _has_since(request.headers.get("if-modified-since", ""), self._changed):
            return ApiResponse(304, b"", headers)
        return ApiResponse(200, self._index, {**headers, "Content-Type": "text/plain; charset=utf-8"})

    def _answer(
        self, request: ApiRequest, body: bytes, digest: str, *, media_type: str = JSON, is_for_good: bool = False
    ) -> ApiResponse:
        headers = {"Etag": f'"{digest}"', "Vary": "Accept", "Accept-Ranges": "bytes", "Cache-Control": _PRIVATE}
        if is_for_good:
            headers |= {"Cache-Control": _IMMUTABLE, "Expires": formatdate(time() + _YEAR_SECONDS, usegmt=True)}
        if request.headers.get("if-none-match", "") == headers["Etag"]:
            return ApiResponse(304, b"", headers)
        return ApiResponse(200, body, {**headers, "Content-Type": media_type, "Last-Modified": self._changed})

    def _refresh(self) -> None:
        groups = self._groups()
        if groups is self._seen:
            return
        self._seen = groups
        self._bodies.clear()
        self._v2_hashes.clear()
        # Never the same second twice: a client that has what was there before would be told that nothing has changed.
        self._changed_at = max(int(time()), self._changed_at + 1)
        self._changed = formatdate(self._changed_at, usegmt=True)
        versions = [version for group in groups for version in group.versions if version.resources]
        told: list[ServedVersion | Page] = [*versions, *pages_of(groups)]
        self._told = {f"/openapi/v3{one.path}": one for one in told}
        self._hashes = {path: self._hash_of(one) for path, one in self._told.items()}
        addresses = {
            path.removeprefix("/openapi/v3/"): {"serverRelativeURL": f"{path}?hash={self._hashes[path]}"}
            for path in sorted(self._told)
        }
        self._fetched = {}
        for other in self.elsewhere.values():
            for path, address in other.index.items():
                if addresses.setdefault(path, {"serverRelativeURL": address})["serverRelativeURL"] == address:
                    self._fetched[f"/openapi/v3/{path}"] = other
        self._index = orjson.dumps({"paths": addresses}, option=orjson.OPT_SORT_KEYS)

    def _hash_of(self, told: ServedVersion | Page) -> str:
        """Of everything a document is built from, so that no document has to be built to know it."""
        return _digest(f"{self._version} {told!r}".encode())

    async def _body(self, path: str, build: Callable[[], bytes]) -> bytes:
        """Built beside the event loop: a large document takes long enough to be felt."""
        building = self._bodies.get(path)
        if building is None:
            building = self._bodies[path] = asyncio.ensure_future(asyncio.to_thread(build))
        return await asyncio.shield(building)

    def _build_v3(self, told: ServedVersion | Page) -> bytes:
        if isinstance(told, Page):
            schemas = Schemas(Dialect.V3)
            paths = {f"{told.path}/": told.item(Dialect.V3, schemas)}
            types = [told.shows] if told.shows else []
        else:
            versions = option_versions_of_clients() if told.is_custom else [(told.group, told.version)]
            schemas = Schemas(Dialect.V3, versions)
            _publish([told], schemas)
            paths = Paths(Dialect.V3, schemas).of_version(told)
            types = _types_of([told])
        components: dict[str, Any] = {"schemas": schemas.closure(types)} if types else {}
        is_custom = isinstance(told, ServedVersion) and told.is_custom
        if not is_custom:
            components["securitySchemes"] = _SECURITY
        info = _INFO_OF_CUSTOM if is_custom else self._info
        return go_json.dumps({"openapi": "3.0.0", "info": info, "paths": paths, "components": components})

    def _build_v2(self) -> bytes:
        return orjson.dumps(self._document_v2())

    def _build_v2_protobuf(self) -> bytes:
        """What others put into their documents may have no form in protobuf: then theirs are missing."""
        try:
            return gnostic.encode(self._document_v2())
        except KeyError as error:
            if not self.elsewhere:
                raise
            log.warning("OpenAPI v2 of another server has no protobuf form", extra={"field": str(error)})
            return gnostic.encode(self._local_v2())

    def _document_v2(self) -> dict[str, Any]:
        parts = [other.v2 for other in self.elsewhere.values() if other.v2 is not None]
        return merged(self._local_v2(), parts) if parts else self._local_v2()

    def _local_v2(self) -> dict[str, Any]:
        schemas = Schemas(Dialect.V2, option_versions())
        paths = Paths(Dialect.V2, schemas)
        versions = [one for one in self._told.values() if isinstance(one, ServedVersion)]
        pages = [one for one in self._told.values() if isinstance(one, Page)]
        _publish(versions, schemas)
        items = {f"{page.path}/": page.item(Dialect.V2, schemas) for page in pages}
        for version in versions:
            items |= paths.of_version(version)
        parameters = share(items)
        types = [*_types_of(versions), *(page.shows for page in pages if page.shows)]
        return {
            "swagger": "2.0",
            "info": self._info,
            "paths": dict(sorted(items.items())),
            "definitions": schemas.closure(types),
            "parameters": parameters,
            "securityDefinitions": _SECURITY,
            "security": [{"BearerToken": []}],
        }


def _publish(versions: Iterable[ServedVersion], schemas: Schemas) -> None:
    for version in versions:
        for resource in version.resources:
            if resource.published is not None:
                schemas.publish(resource.published)


def _types_of(versions: Sequence[ServedVersion]) -> list[str]:
    """The facts' names of every kind that the versions serve, and of their lists."""
    kinds = {
        (kind.group, kind.version, name)
        for version in versions
        for resource in version.resources
        for kind in (resource.kind, *(one.kind for one in resource.subresources))
        for name in (kind.kind, f"{kind.kind}List")
    }
    found = [type_of_kind(*kind) for kind in sorted(kinds)]
    verbs = {verb for version in versions for resource in version.resources for verb in resource.verbs}
    if all(version.is_custom for version in versions):
        verbs.discard("watch")
    else:
        found.append("meta_v1.APIResourceList")
    of_verbs = [type_name for verb in _OF_VERBS if verb in verbs for type_name in _OF_VERBS[verb]]
    return [*of_verbs, *(type_name for type_name in found if type_name)]


def _accepts(accept: str, media_types: Container[str]) -> bool:
    return any(clause.split(";")[0].strip() in media_types for clause in accept.split(","))


def _not_acceptable() -> ApiResponse:
    return ApiResponse(406, b"", {"Vary": "Accept"})


def _digest(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest().upper()


def _has_since(stated: str, changed: str) -> bool:
    """Whether a client that has what there was at a time has what there is."""
    if not stated:
        return False
    try:
        return parsedate_to_datetime(stated) >= parsedate_to_datetime(changed)
    except (ValueError, TypeError):
        return False
