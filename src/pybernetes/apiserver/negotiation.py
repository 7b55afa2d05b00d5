"""In what form the client wants its answer, and in what form it sent its request.

Follows k8s.io/apiserver/pkg/endpoints/handlers/negotiation: the Accept header's first clause that can be served wins;
`as=Table`, `as=PartialObjectMetadata` and `as=PartialObjectMetadataList` ask for a transformation of meta.k8s.io.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from pybernetes.api import errors
from pybernetes.apiserver.http import JSON, ApiRequest

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_SERVED = f"{JSON}, {YAML}, {PROTOBUF}"
_WATCHED = f"{JSON};stream=watch, {PROTOBUF};stream=watch"
_READABLE = (JSON, YAML, PROTOBUF)
_BROWSERS = ("curl", "Wget", "Mozilla/5.0")
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})


class Encoding(Enum):
    JSON = JSON
    YAML = YAML
    PROTOBUF = PROTOBUF


class Shown(Enum):
    """What of an object is shown."""

    WHOLE = ""
    TABLE = "Table"
    PARTIAL = "PartialObjectMetadata"
    PARTIAL_LIST = "PartialObjectMetadataList"


class Offer(Enum):
    """What an endpoint can answer."""

    KIND = "kind"
    """Objects of a built-in kind, in all forms."""
    CUSTOM = "custom"
    """Custom resources: in protobuf there is only their metadata."""
    DOCUMENT = "document"
    """What is shown only as it is, such as a refusal."""


@dataclass(frozen=True, slots=True)
class Media:
    encoding: Encoding = Encoding.JSON
    shown: Shown = Shown.WHOLE
    version: str = "v1"
    pretty: bool = False

    @property
    def watch_type(self) -> str:
        return self.encoding.value if self.encoding is Encoding.JSON else f"{self.encoding.value};stream=watch"

    @property
    def plain(self) -> bool:
        return self.encoding is Encoding.JSON and self.shown is Shown.WHOLE and not self.pretty


WHOLE_JSON = Media()
_TYPES = {
    JSON: Encoding.JSON,
    "*/*": Encoding.JSON,
    "application/*": Encoding.JSON,
    YAML: Encoding.YAML,
    PROTOBUF: Encoding.PROTOBUF,
}


def media_of(request: ApiRequest, offer: Offer = Offer.KIND) -> Media:
    """Raises 406 when nothing the client accepts can be served."""
    accept = request.headers.get("accept")
    if not accept or accept in ("*/*", JSON):
        return WHOLE_JSON
    media = _negotiate(accept, offer)
    if media is None:
        raise errors.not_acceptable(f"only the following media types are accepted: {_SERVED}")
    return media


def watch_media_of(request: ApiRequest, offer: Offer) -> Media:
    """Raises 406 also for what cannot be sent event by event."""
    media = media_of(request, offer)
    if media.encoding is Encoding.YAML:
        raise errors.not_acceptable(f"only the following media types are accepted: {_WATCHED}")
    return media


def require_acceptable(request: ApiRequest, verb: str) -> None:
    """Refuses (406), before anything is done, a request whose answer the client could not take in any form.

    Only types are compared: their parameters are looked at when there is an answer.
    """
    accept = request.headers.get("accept")
    if not accept or accept == JSON or accept == "*/*" or _names_a_served_type(accept):
        return
    raise _none_acceptable(f"{_SERVED}, {_WATCHED}" if verb in _LISTED else _SERVED)


def require_json_acceptable(request: ApiRequest, media_type: str = JSON) -> None:
    """The same for what is told in JSON only, under whatever name."""
    accept = request.headers.get("accept")
    if accept and {clause.split(";", 1)[0].strip() for clause in accept.split(",")}.isdisjoint((media_type, "*/*")):
        raise _none_acceptable(media_type)


def _none_acceptable(served: str) -> errors.ApiError:
    return errors.ApiError(406, "NotAcceptable", f"406: Not Acceptable\n\nAvailable representations: {served}", {})


_LISTED = frozenset({"list", "watch"})


@lru_cache(maxsize=256)
def _names_a_served_type(accept: str) -> bool:
    kinds = {clause.split(";", 1)[0].strip() for clause in accept.split(",")}
    return not kinds.isdisjoint((JSON, YAML, PROTOBUF, "*/*"))


@lru_cache(maxsize=256)
def _negotiate(accept: str, offer: Offer) -> Media | None:
    return next((media for clause in _clauses(accept) if (media := _served(clause, offer)) is not None), None)


def _clauses(accept: str) -> list[dict[str, str]]:
    """Each clause's parameters, with its type under the empty name; the client's most wanted first.

    As the library reads them that upstream uses (goautoneg): types are compared letter by letter, quotes are part of a
    value, what is no type and what is no parameter is passed over."""
    ranked: list[tuple[float, dict[str, str]]] = []
    for text in accept.split(","):
        stated, *parameters = text.strip(" ").split(";")
        kind = _type_of(stated)
        if not kind:
            continue
        clause, quality = {"": kind}, 1.0
        for name, value in filter(None, map(_parameter, parameters)):
            if name == "q":
                quality = _number(value)
            else:
                clause[name] = value
        place = len(ranked)
        while place and _goes_ahead(quality, kind, *ranked[place - 1]):
            place -= 1
        ranked.insert(place, (quality, clause))
    return [clause for _, clause in ranked]


def _type_of(stated: str) -> str:
    """ "" for what is none."""
    parts = [part.strip(" ") for part in stated.split("/")]
    if len(parts) == 2 and parts[1]:
        return "/".join(parts)
    return "*/*" if parts[0] == "*" and not any(parts[1:]) else ""


def _parameter(text: str) -> tuple[str, str] | None:
    parts = text.split("=")
    return (parts[0].strip(" "), parts[1].strip(" ")) if len(parts) == 2 and parts[1] else None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _goes_ahead(quality: float, kind: str, other_quality: float, other: dict[str, str]) -> bool:
    """What is more wanted, and whatever names more than the other does."""
    if quality > other_quality:
        return True
    mine, theirs = kind.split("/"), other[""].split("/")
    return any(one != "*" and another == "*" for one, another in zip(mine, theirs, strict=True))


def _served(clause: dict[str, str], offer: Offer) -> Media | None:
    encoding = _TYPES.get(clause[""])
    if encoding is None or not _is_streamed(clause, encoding):
        return None
    if clause.get("sv") and (offer is Offer.DOCUMENT or clause["sv"] != "v1"):
        return None
    pretty = clause.get("pretty") == "1"
    if clause.keys().isdisjoint(("as", "g", "v")):
        if encoding is Encoding.PROTOBUF and offer is Offer.CUSTOM:
            return None
        return Media(encoding, pretty=pretty)
    wanted, version = clause.get("as", ""), clause.get("v", "")
    if offer is Offer.DOCUMENT or clause.get("g") != "meta.k8s.io" or version not in ("v1", "v1beta1"):
        return None
    if wanted not in _TRANSFORMED or (wanted == Shown.TABLE.value and encoding is Encoding.PROTOBUF):
        return None
    return Media(encoding, Shown(wanted), version, pretty)


_TRANSFORMED = frozenset(shown.value for shown in Shown if shown is not Shown.WHOLE)


def _is_streamed(clause: dict[str, str], encoding: Encoding) -> bool:
    """Whether a clause that names a stream can have it."""
    stream = clause.get("stream", "")
    return not stream or (stream == "watch" and encoding is not Encoding.YAML)


def encoding_of_body(request: ApiRequest) -> Encoding:
    """Raises 415 for a body in a format that is not read."""
    stated = request.headers.get("content-type", "")
    if stated == JSON:
        return Encoding.JSON
    kind, _, parameters = stated.partition(";")
    kind = kind.strip().lower()
    is_readable = not parameters or _PARAMETERS.fullmatch(parameters) is not None
    if kind in ("", JSON) and is_readable:
        return Encoding.JSON
    if kind not in _TYPES or "*" in kind or not is_readable:
        raise errors.unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(_READABLE)}"
        )
    return _TYPES[kind]


_PARAMETERS = re.compile(r"""(\s*[\w!#$%&'*+.^`|~-]+=([\w!#$%&'*+.^`|~-]+|"([^"\\]|\\.)*")\s*(;|$))*\s*""")


def wants_pretty(request: ApiRequest) -> bool:
    stated = request.param("pretty") if request.query else ""
    if stated:
        return stated in _TRUE
    return request.headers.get("user-agent", "").startswith(_BROWSERS)
