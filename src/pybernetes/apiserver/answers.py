"""Answers: objects, lists, statuses, in the form the client asked for.

Guarantees  Plain JSON answers are joined from the objects' bytes; nothing is decoded for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import orjson

from pybernetes.api import errors, go_json
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse
from pybernetes.apiserver.list_body import ListBody
from pybernetes.apiserver.negotiation import (
    PROTOBUF,
    WHOLE_JSON,
    YAML,
    Encoding,
    Media,
    Offer,
    Shown,
    media_of,
    wants_pretty,
)
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.tables import include_object, partial, table
from pybernetes.apiserver.view import View

T = TypeVar("T")

FEW = 64
"""Objects of a list that goes out in one piece."""
MADE_AT_ONCE = 10_000
"""Objects whose items are made before the first goes out; together they take as much again as the answer."""
TURN = 200
"""Objects that are taken apart before others get their turn: some 10 ms."""
_JSON_HEADERS = {"Content-Type": JSON}
_PROTOBUF_HEADERS = {"Content-Type": PROTOBUF}


def object_answer(
    request: ApiRequest,
    view: View,
    stored: StoredObject,
    now: datetime,
    status: int = 200,
    warnings: Sequence[str] = (),
) -> ApiResponse:
    media = media_of(request, view.offer)
    if (media is WHOLE_JSON or media.plain) and not wants_pretty(request):
        return ApiResponse(status, view.whole(stored) + b"\n", _JSON_HEADERS.copy(), warnings)
    match media.shown:
        case Shown.WHOLE if media.encoding is Encoding.PROTOBUF:
            body = _protobuf().whole(view.info.api_version, view.info.kind, view.message(stored))
            return ApiResponse(status, body, _PROTOBUF_HEADERS.copy(), warnings)
        case Shown.WHOLE:
            document = orjson.loads(view.whole(stored))
        case Shown.PARTIAL:
            document = partial(view.document(stored), media.version)
        case Shown.PARTIAL_LIST if view.offer is Offer.CUSTOM:
            raise ApiError(500, "", "content is not a list")
        case Shown.PARTIAL_LIST:
            raise errors.not_acceptable(
                "you requested PartialObjectMetadataList, but the requested object is not a list "
                f"({_go_type(view, view.info.kind)})"
            )
        case Shown.TABLE:
            document = view.document(stored)
            version = document["metadata"].get("resourceVersion")
            document = table(
                view.resource,
                [document],
                version=media.version,
                include=include_object(request),
                now=now,
                list_metadata={"resourceVersion": version} if version else {},
            )
    return media_answer(request, document, media, status, warnings)


async def list_answer(
    request: ApiRequest,
    view: View,
    found: Sequence[StoredObject],
    list_metadata: Document,
    now: datetime,
) -> ApiResponse:
    media = media_of(request, view.offer)
    if media.plain and not wants_pretty(request):
        return ApiResponse(200, _joined(view, found, view.list_metadata(list_metadata)), _JSON_HEADERS.copy())
    info, list_kind = view.info, view.resource.list_kind
    document: Document
    match media.shown:
        case Shown.WHOLE if media.encoding is Encoding.PROTOBUF:
            items = await _in_turns(view.message, found)
            body = _protobuf().whole_list(info.api_version, list_kind, view.list_metadata(list_metadata), items)
            return ApiResponse(200, body, _PROTOBUF_HEADERS.copy())
        case Shown.TABLE:
            documents = await _in_turns(view.document, found)
            order = view.resource.row_order
            document = table(
                view.resource,
                documents if order is None else sorted(documents, key=order),
                version=media.version,
                include=include_object(request),
                now=now,
                list_metadata=list_metadata,
            )
        case Shown.PARTIAL:
            raise errors.not_acceptable(
                f"you requested PartialObjectMetadata, but the requested object is a list ({_go_type(view, list_kind)})"
            )
        case Shown.PARTIAL_LIST:
            document = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{media.version}",
                "metadata": list_metadata,
                "items": await _in_turns(lambda one: partial(view.document(one), media.version), found),
            }
        case Shown.WHOLE:
            document = {
                "kind": list_kind,
                "apiVersion": info.api_version,
                "metadata": view.list_metadata(list_metadata),
                "items": await _in_turns(lambda one: orjson.loads(view.item(one)), found),
            }
    if media.encoding is Encoding.YAML and len(found) > FEW:
        return await asyncio.to_thread(media_answer, request, document, media)
    return media_answer(request, document, media)


async def _in_turns(make: Callable[[StoredObject], T], found: Sequence[StoredObject]) -> list[T]:
    """Of each object; other requests are served meanwhile."""
    made: list[T] = []
    for at in range(0, len(found), TURN):
        if at:
            await asyncio.sleep(0)
        made += map(make, found[at : at + TURN])
    return made


def _go_type(view: View, kind: str) -> str:
    """How upstream names what it would have shown."""
    if view.offer is Offer.CUSTOM:
        return "*unstructured.UnstructuredList"
    package = view.info.group.partition(".")[0]
    return f"*{'core' if package in ('', 'events') else package}.{kind}"


def _protobuf() -> Any:
    """Loaded when the first client asks for it."""
    from pybernetes.apiserver.protobuf import bodies

    return bodies


def _joined(view: View, found: Sequence[StoredObject], list_metadata: Document) -> bytes | ListBody:
    info = view.info
    start = b'{"kind":"%s","apiVersion":"%s","metadata":%b,"items":[' % (
        view.resource.list_kind.encode(),
        info.api_version.encode(),
        orjson.dumps(list_metadata),
    )
    if not found:
        return start + b"]}\n"
    extent = view.extent(found) if len(found) > MADE_AT_ONCE else None
    if extent is not None:
        return ListBody(start, found, view.items, extent)
    body = ListBody.of(start, view.items(found))
    return body if len(found) > FEW else body.whole()


def document_answer(
    request: ApiRequest,
    document: Document,
    status: int = 200,
    warnings: Sequence[str] = (),
) -> ApiResponse:
    """A document that is no stored object: a Status, a Scale, a review."""
    return media_answer(request, document, media_of(request), status, warnings)


def media_answer(
    request: ApiRequest, document: Document, media: Media, status: int = 200, warnings: Sequence[str] = ()
) -> ApiResponse:
    """A document in a form that has been negotiated."""
    match media.encoding:
        case Encoding.PROTOBUF:
            return ApiResponse(status, _protobuf().body_of(document), _PROTOBUF_HEADERS.copy(), warnings)
        case Encoding.YAML:
            from pybernetes.apiserver.yaml_answer import write_yaml

            return ApiResponse(status, write_yaml(document), {"Content-Type": YAML}, warnings)
    if media.pretty or wants_pretty(request):
        body = go_json.dumps(document, option=orjson.OPT_INDENT_2)
    else:
        body = go_json.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return ApiResponse(status, body, _JSON_HEADERS.copy(), warnings)


def _readable(error: ApiError) -> Document:
    """What a client sent as a header need not be UTF-8, and may be told of."""
    status = error.status()
    if not error.message.isascii():
        status["message"] = error.message.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return status


def error_answer(request: ApiRequest, error: ApiError) -> ApiResponse:
    """A Status; in JSON where the client's wish cannot be met, since a client must be able to read a refusal."""
    try:
        answer = media_answer(request, _readable(error), media_of(request, Offer.DOCUMENT), error.code)
    except ApiError:
        body = go_json.dumps(_readable(error), option=orjson.OPT_INDENT_2)
        answer = ApiResponse(error.code, body, _JSON_HEADERS.copy())
    answer.headers |= error.headers
    if error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer
