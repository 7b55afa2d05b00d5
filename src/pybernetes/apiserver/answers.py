"""Answers: objects, lists, statuses, in the form the client asked for.

Guarantees  Plain JSON answers are joined from the objects' bytes; nothing is decoded for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from io import BytesIO
from itertools import islice

import orjson
import yaml

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.http import JSON, ApiRequest, ApiResponse
from pybernetes.apiserver.negotiation import YAML, Encoding, Media, Shown, media_of, wants_pretty
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.tables import include_object, partial, table
from pybernetes.apiserver.view import View

_JSON_HEADERS = {"Content-Type": JSON}


def object_answer(
    request: ApiRequest,
    view: View,
    stored: StoredObject,
    now: datetime,
    status: int = 200,
    warnings: Sequence[str] = (),
) -> ApiResponse:
    media = media_of(request)
    if media.plain and not wants_pretty(request):
        return ApiResponse(status, view.whole(stored) + b"\n", _JSON_HEADERS.copy(), warnings)
    document = view.document(stored)
    match media.shown:
        case Shown.TABLE:
            document = table(
                view.resource,
                [document],
                version=media.version,
                include=include_object(request),
                now=now,
                list_metadata={"resourceVersion": document["metadata"].get("resourceVersion", "")},
            )
        case Shown.PARTIAL:
            document = partial(document, media.version)
    return document_answer(request, document, status, warnings, media)


def list_answer(
    request: ApiRequest,
    view: View,
    found: Sequence[StoredObject],
    list_metadata: Document,
    now: datetime,
) -> ApiResponse:
    media = media_of(request)
    if media.plain and not wants_pretty(request):
        return ApiResponse(200, _joined(view, found, view.list_metadata(list_metadata)), _JSON_HEADERS.copy())
    documents = [view.document(one) for one in found]
    document: Document
    match media.shown:
        case Shown.TABLE:
            document = table(
                view.resource,
                documents,
                version=media.version,
                include=include_object(request),
                now=now,
                list_metadata=list_metadata,
            )
        case Shown.PARTIAL:
            document = {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{media.version}",
                "metadata": list_metadata,
                "items": [partial(one, media.version) for one in documents],
            }
        case Shown.WHOLE:
            info = view.info
            document = {
                "kind": view.resource.list_kind,
                "apiVersion": info.api_version,
                "metadata": view.list_metadata(list_metadata),
                "items": [orjson.loads(view.item(one)) for one in found],
            }
    return document_answer(request, document, 200, (), media)


def _joined(view: View, found: Sequence[StoredObject], list_metadata: Document) -> bytes:
    info = view.info
    start = b'{"kind":"%s","apiVersion":"%s","metadata":%b,"items":[' % (
        view.resource.list_kind.encode(),
        info.api_version.encode(),
        orjson.dumps(list_metadata),
    )
    if not found:
        return start + b"]}\n"
    # Item by item: of many objects the items would together take as much again as the answer.
    body = BytesIO()
    body.write(start)
    body.write(view.item(found[0]))
    write = body.write
    for one in islice(found, 1, None):
        write(b",")
        write(view.item(one))
    write(b"]}\n")
    return body.getvalue()


def document_answer(
    request: ApiRequest,
    document: Document,
    status: int = 200,
    warnings: Sequence[str] = (),
    media: Media | None = None,
) -> ApiResponse:
    """A document that is no stored object: a Status, a Scale, a list in another form."""
    if media is None:
        media = media_of(request)
    if media.encoding is Encoding.YAML:
        body = yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=True).encode()
        return ApiResponse(status, body, {"Content-Type": YAML}, warnings)
    if wants_pretty(request):
        body = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    else:
        body = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    return ApiResponse(status, body, _JSON_HEADERS.copy(), warnings)


def error_answer(request: ApiRequest, error: ApiError) -> ApiResponse:
    """A Status; in JSON where the client's wish cannot be met, since a client must be able to read a refusal."""
    try:
        media = Media(media_of(request).encoding)
    except ApiError:
        body = orjson.dumps(error.status(), option=orjson.OPT_INDENT_2)
        answer = ApiResponse(error.code, body, _JSON_HEADERS.copy())
    else:
        answer = document_answer(request, error.status(), error.code, (), media)
    if error.retry_after:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer
