"""A request and its answer, without an HTTP library: what passes between the edge and the API server.

Assumes  Header names are asked for in lower case: ``ApiRequest.headers`` is case-insensitive or has lower-case keys.
"""

from __future__ import annotations

import re
from asyncio import BaseTransport
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

import msgspec

from pybernetes.apiserver.list_body import ListBody

if TYPE_CHECKING:
    from pybernetes.apiserver.audit.event import Audited
    from pybernetes.apiserver.request_info import RequestInfo

JSON = "application/json"
JSON_HEADERS = {"Content-Type": JSON}

Upgrade = Callable[[Any], Awaitable[Any]]
"""Takes the edge's own request (aiohttp's), speaks on its connection, and returns the edge's own response."""


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """The client's certificate as TLS saw it: DER bytes, verified against the cluster's client CA."""

    der: bytes

    @classmethod
    def of(cls, transport: BaseTransport | None) -> PeerCertificate | None:
        """What was shown on a connection, if anything was."""
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        der = tls.getpeercert(binary_form=True) if tls is not None else None
        return cls(der) if der else None


FLOW_SCHEMA_HEADER = "X-Kubernetes-Pf-Flowschema-Uid"
PRIORITY_LEVEL_HEADER = "X-Kubernetes-Pf-Prioritylevel-Uid"


@dataclass(frozen=True, slots=True)
class ClassifiedAs:
    """What an answer tells of its request's priority; ``lines`` are the same headers as they are sent."""

    headers: Mapping[str, str]
    lines: bytes

    @classmethod
    def of(cls, schema_uid: str, level_uid: str) -> ClassifiedAs:
        headers = {FLOW_SCHEMA_HEADER: schema_uid, PRIORITY_LEVEL_HEADER: level_uid}
        return cls(headers, "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode())


class ApiRequest(msgspec.Struct):
    method: str
    path: str
    query: Mapping[str, Sequence[str]] = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    peer: PeerCertificate | None = None
    remote: str = ""
    audit_id: str = ""
    """What the request is known by in the audit log, and to its client."""
    uri: str = ""
    """Path and query as they were sent."""
    audited: Audited | None = None
    """Where those who serve the request leave what the audit log shall tell of it; None where it tells nothing."""
    info: RequestInfo | None = None
    """What the path asks for, once it has been parsed."""
    warnings: list[str] = msgspec.field(default_factory=list)
    """What admission tells the client, whatever the answer is."""

    @classmethod
    def received(
        cls, method: str, uri: str, headers: Mapping[str, str], body: bytes, peer: PeerCertificate | None, remote: str
    ) -> ApiRequest:
        """``uri`` is path and query as they were sent."""
        path, _, query = uri.partition("?")
        return cls(
            method,
            unquote(path) if "%" in path else path,
            _parameters(query) if query else {},
            headers,
            body,
            peer,
            remote,
            uri=uri,
        )

    def param(self, name: str, default: str = "") -> str:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else default

    def flag(self, name: str) -> bool:
        """A boolean parameter as upstream converts it: present and neither "0" nor "false"; so even an empty one."""
        values = self.query.get(name)
        return values is not None and (not values or values[0].lower() not in ("0", "false"))


_BROKEN_ESCAPE = re.compile("%(?![0-9a-fA-F]{2})")


def _parameters(query: str) -> dict[str, list[str]]:
    """What Go cannot read of a query is not there."""
    if ";" in query or "%" in query:
        readable = (one for one in query.split("&") if ";" not in one and not _BROKEN_ESCAPE.search(one))
        query = "&".join(readable)
    return parse_qs(query, keep_blank_values=True)


def has_broken_escape(path: str) -> bool:
    return "%" in path and _BROKEN_ESCAPE.search(path.partition("?")[0]) is not None


class ApiResponse(msgspec.Struct):
    """``body`` is the whole answer, or a stream that the edge sends as it comes and closes when the client goes.

    With ``upgrade`` the edge hands over the connection and ``status`` and ``body`` do not count.
    """

    status: int
    body: bytes | ListBody | AsyncIterator[bytes] = b""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    warnings: Sequence[str] = ()
    upgrade: Upgrade | None = None
    classified: ClassifiedAs | None = None

    @property
    def content(self) -> bytes:
        """The body of an answer that is not a stream."""
        if isinstance(self.body, bytes):
            return self.body
        if isinstance(self.body, ListBody):
            return self.body.whole()
        raise TypeError("the body of this answer is a stream")

    @property
    def is_whole(self) -> bool:
        """Whether there is a ``content``."""
        return isinstance(self.body, bytes | ListBody)


def json_response(body: bytes, status: int = 200) -> ApiResponse:
    return ApiResponse(status, body, {"Content-Type": JSON})


PLAIN_TEXT = "text/plain; charset=utf-8"


def text_response(text: str, status: int = 200) -> ApiResponse:
    return ApiResponse(status, text.encode(), {"Content-Type": PLAIN_TEXT, "X-Content-Type-Options": "nosniff"})


def no_such_page() -> ApiResponse:
    """What upstream says about a path that none of its handlers knows."""
    return text_response("404 page not found\n", 404)


def indeterminate(path: str) -> ApiResponse:
    """What upstream says about a path of which it cannot tell what it asks for."""
    return internal_error(
        path, f"failed to create RequestInfo: unable to determine kind and namespace from url, {path}"
    )


def internal_error(path: str, why: str) -> ApiResponse:
    """What upstream says where it has not yet come to speak of objects."""
    return text_response(f'Internal Server Error: "{path}": {why}\n', 500)
