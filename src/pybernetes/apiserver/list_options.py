"""The query of a list, a watch or a deletecollection, read and judged; and the token that continues a list.

Follows k8s.io/apimachinery/pkg/apis/meta/internalversion/validation and k8s.io/apiserver/pkg/storage/continue.go.
"""

from __future__ import annotations

import posixpath
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import orjson

from pybernetes.api import errors, go_json
from pybernetes.api.digits import whole
from pybernetes.api.fields import FieldError, FieldPath, forbidden, not_supported, quoted
from pybernetes.api.selectors import FieldSelector, LabelSelector
from pybernetes.apiserver.http import ApiRequest

CURRENT = -1
"""The revision in a token that continues at whatever the state is now."""


class Match(StrEnum):
    NONE = ""
    EXACT = "Exact"
    NOT_OLDER_THAN = "NotOlderThan"


@dataclass(frozen=True, slots=True)
class ListOptions:
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    resource_version: str = ""
    match: Match = Match.NONE
    limit: int = 0
    continue_: str = ""
    timeout_seconds: int | None = None
    allow_bookmarks: bool = False
    send_initial_events: bool | None = None

    @property
    def revision(self) -> int:
        """0 where none was given. Raises bad_request."""
        if not self.resource_version:
            return 0
        try:
            return parse_version(self.resource_version)
        except ValueError as error:
            raise errors.bad_request(f"invalid resource version: {error}") from error


_NO_OPTIONS = ListOptions()


def parse_version(text: str) -> int:
    """Raises ValueError in the words of upstream's parser."""
    if not (text.isascii() and text.isdigit()):
        quoted = orjson.dumps(text).decode()
        raise ValueError(
            f"resourceVersion: Invalid value: {quoted}: strconv.ParseUint: parsing {quoted}: invalid syntax"
        )
    if whole(text) >= 1 << 64:
        raise ValueError(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": value out of range'
        )
    return int(text)


def read_options(request: ApiRequest) -> ListOptions:
    if not request.query:
        return _NO_OPTIONS
    limit, timeout_seconds = whole_number(request, "limit"), whole_number(request, "timeoutSeconds")
    problems = list(_problems(request))
    if problems:
        raise errors.invalid("meta.k8s.io", "ListOptions", "", problems)
    return ListOptions(
        labels=_labels(request.param("labelSelector")),
        fields=_fields(request.param("fieldSelector")),
        resource_version=request.param("resourceVersion"),
        match=Match(request.param("resourceVersionMatch")),
        limit=max(limit or 0, 0),
        continue_=request.param("continue"),
        timeout_seconds=timeout_seconds,
        allow_bookmarks=request.flag("allowWatchBookmarks"),
        send_initial_events=_send_initial_events(request),
    )


def _send_initial_events(request: ApiRequest) -> bool | None:
    """A watch from the beginning is taken for one that asked for them."""
    if "sendInitialEvents" in request.query:
        return request.flag("sendInitialEvents")
    if request.flag("watch") and not request.param("resourceVersionMatch") and _is_from_scratch(request):
        return True
    return None


def _is_from_scratch(request: ApiRequest) -> bool:
    return request.param("resourceVersion") in ("", "0")


_AT_MATCH = FieldPath("resourceVersionMatch")


def _problems(request: ApiRequest) -> Iterator[FieldError]:
    return _watch_problems(request) if request.flag("watch") else _list_problems(request)


def _watch_problems(request: ApiRequest) -> Iterator[FieldError]:
    match = request.param("resourceVersionMatch")
    initial = "sendInitialEvents" in request.query
    if initial and match != Match.NOT_OLDER_THAN:
        yield forbidden(_AT_MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match and not initial:
        yield forbidden(_AT_MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided")
    if match and match != Match.NOT_OLDER_THAN:
        yield not_supported(_AT_MATCH, match, (Match.NOT_OLDER_THAN.value,))
    if request.param("continue") and (match or (not initial and _is_from_scratch(request))):
        yield forbidden(_AT_MATCH, "resourceVersionMatch is forbidden when continue is provided")


def _list_problems(request: ApiRequest) -> Iterator[FieldError]:
    match, version = request.param("resourceVersionMatch"), request.param("resourceVersion")
    if match and not version:
        yield forbidden(_AT_MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided")
    if match and request.param("continue"):
        yield forbidden(_AT_MATCH, "resourceVersionMatch is forbidden when continue is provided")
    if match and match not in (Match.EXACT, Match.NOT_OLDER_THAN):
        yield not_supported(_AT_MATCH, match, (Match.EXACT.value, Match.NOT_OLDER_THAN.value, ""))
    if match == Match.EXACT and version == "0":
        yield forbidden(_AT_MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if "sendInitialEvents" in request.query:
        yield forbidden(FieldPath("sendInitialEvents"), "sendInitialEvents is forbidden for list")


@lru_cache(maxsize=4096)
def _labels(text: str) -> LabelSelector | None:
    if not text:
        return None
    try:
        return LabelSelector.parse(text)
    except ValueError as error:
        raise errors.bad_request(str(error)) from error


@lru_cache(maxsize=4096)
def _fields(text: str) -> FieldSelector | None:
    if not text:
        return None
    try:
        return FieldSelector.parse(text) or None
    except ValueError as error:
        raise errors.bad_request(str(error)) from error


def whole_number(request: ApiRequest, name: str) -> int | None:
    """What the query says; None if it says nothing. Raises 400."""
    if name not in request.query:
        return None
    text = request.param(name)
    wrong = "invalid syntax"
    if _WHOLE.fullmatch(text):
        number = whole(text)
        if -(2**63) <= number < 2**63:
            return number
        wrong = "value out of range"
    raise errors.bad_request(f"strconv.ParseInt: parsing {quoted(text)}: {wrong}")


_WHOLE = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class ContinueToken:
    """``start`` is the key to go on with, relative to the prefix that is listed."""

    revision: int
    start: str

    def encode(self) -> str:
        document = {"v": "meta.k8s.io/v1", "rv": self.revision, "start": self.start}
        return urlsafe_b64encode(orjson.dumps(document)).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> ContinueToken:
        """Raises bad_request."""
        try:
            return cls._decoded(text)
        except _InvalidToken as error:
            raise errors.bad_request(f"invalid continue token: continue key is not valid: {error}") from error

    @classmethod
    def _decoded(cls, text: str) -> ContinueToken:
        odd = _NOT_BASE64.search(text)
        if odd is not None or len(text) % 4 == 1:
            at = odd.start() if odd is not None else len(text) - 1
            raise _InvalidToken(f"illegal base64 data at input byte {at}")
        try:
            document = go_json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except go_json.UnreadableJson as error:
            raise _InvalidToken(str(error)) from error
        if not isinstance(document, dict | None):
            what = go_json.type_of(document)
            raise _InvalidToken(f"json: cannot unmarshal {what} into Go value of type storage.continueToken")
        version, revision, start = (_part(document or {}, name, zero) for name, zero in _PARTS.items())
        if version != "meta.k8s.io/v1":
            raise _InvalidToken(f"server does not recognize this encoded version {version}")
        if not revision:
            raise _InvalidToken("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
        if not start:
            raise _InvalidToken("encoded start key empty (version meta.k8s.io/v1)")
        # A cleaned path cannot climb out of the prefix that is listed.
        if posixpath.normpath(f"/{start.lstrip('/')}") != f"/{start.removeprefix('/')}":
            raise _InvalidToken(start)
        return cls(revision, start.removeprefix("/"))


_PARTS: Mapping[str, str | int] = {"v": "", "rv": 0, "start": ""}


def _part(token: Mapping[str, Any], name: str, zero: str | int) -> Any:
    """Raises _InvalidToken for a value that is not of the type of its zero."""
    value = token.get(name)
    if value is None:
        return zero
    if value.__class__ is not zero.__class__:
        what = f"number {value}" if isinstance(value, float) else go_json.type_of(value)
        into = f"Go struct field continueToken.{name} of type {'int64' if zero == 0 else 'string'}"
        raise _InvalidToken(f"json: cannot unmarshal {what} into {into}")
    return value


_NOT_BASE64 = re.compile(r"[^A-Za-z0-9_-]")


class _InvalidToken(Exception):
    pass
