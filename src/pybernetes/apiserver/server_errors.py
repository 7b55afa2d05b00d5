"""What an HTTP answer that is no success says, for those who called another server.

Follows NewGenericServerResponse in k8s.io/apimachinery/pkg/api/errors and client-go/rest/request.go.
"""

from __future__ import annotations

import orjson

from pybernetes.api.errors import ApiError, reason_of

LONGEST_TEXT = 2048
_MESSAGES = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    406: "the server was unable to respond with a content type that the client supports",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}
_TOLD_BY_THE_SERVER = (403, 406, 415)


def of_answer(code: int, content_type: str, body: bytes) -> ApiError:
    """A Status in the body is believed; otherwise the code and the text say what there is to say."""
    stated = _status_in(body)
    if stated is not None:
        return ApiError.from_status(code, stated)
    text = _text(content_type, body)
    message = _MESSAGES.get(
        code, f"the server responded with the status code {code} but did not return more information"
    )
    if code in _TOLD_BY_THE_SERVER and text not in ("", "unknown"):
        message = text
    elif code >= 500 and code not in _MESSAGES:
        message = f"an error on the server ({orjson.dumps(text).decode()}) has prevented the request from succeeding"
    cause = {"reason": "UnexpectedServerResponse", "message": text}
    return ApiError(code, reason_of(code), message, {"causes": [cause]})


def _status_in(body: bytes) -> dict[str, object] | None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(document, dict) and document.get("kind") == "Status" and document.get("status") == "Failure":
        return document
    return None


def _text(content_type: str, body: bytes) -> str:
    if content_type and not content_type.startswith("text/"):
        return "unknown"
    return body[:LONGEST_TEXT].decode("utf-8", "replace").strip()
