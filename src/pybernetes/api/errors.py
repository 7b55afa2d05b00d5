"""What the API answers when it cannot do what was asked: a Status, as an exception.

Guarantees  `error.status()` is the document upstream sends: code, reason, message, details and causes.
Follows k8s.io/apimachinery/pkg/api/errors. `resource` arguments are `pods` or `deployments.apps`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pybernetes.api.fields import FieldError, aggregate, quoted


class ApiError(Exception):
    """`reason` tells errors apart: "NotFound", "AlreadyExists", "Conflict", "Invalid", "Expired" …"""

    headers: Mapping[str, str] = {}
    """What the answer says besides its body."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details: dict[str, Any] | None = dict(details) if details is not None else None
        self.retry_after = retry_after

    def status(self) -> dict[str, Any]:
        """The Status document."""
        document: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            document["reason"] = self.reason
        details = dict(self.details) if self.details else {}
        if self.retry_after:
            details["retryAfterSeconds"] = self.retry_after
        if self.details is not None or details:
            document["details"] = details
        document["code"] = self.code
        return document

    @classmethod
    def from_status(cls, code: int, document: Mapping[str, Any]) -> ApiError:
        """The error that a Status document tells of; `code` is that of the response, for documents without one."""
        details = document.get("details")
        retry_after = details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
        return cls(
            int(document.get("code") or code),
            str(document.get("reason") or reason_of(code)),
            str(document.get("message") or f"the server responded with the status code {code}"),
            details if isinstance(details, Mapping) else None,
            int(retry_after) if retry_after else None,
        )

    @property
    def causes(self) -> Sequence[Mapping[str, Any]]:
        causes: Sequence[Mapping[str, Any]] = (self.details or {}).get("causes", ())
        return causes

    def has_cause(self, reason: str) -> bool:
        return any(cause.get("reason") == reason for cause in self.causes)

    def __str__(self) -> str:
        return self.message


_REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


def reason_of(code: int) -> str:
    """The reason that a bare status code stands for."""
    return _REASONS.get(code, "InternalError" if code >= 500 else "")


def _details(resource: str, name: str = "") -> dict[str, Any]:
    kind, _, group = resource.partition(".")
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}


def not_found(resource: str, name: str) -> ApiError:
    return ApiError(404, "NotFound", f"{resource} {quoted(name)} not found", _details(resource, name))


def path_not_found() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(resource: str, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f"{resource} {quoted(name)} already exists", _details(resource, name))


def conflict(resource: str, name: str, why: str) -> ApiError:
    message = f"Operation cannot be fulfilled on {resource} {quoted(name)}: {why}"
    return ApiError(409, "Conflict", message, _details(resource, name))


def apply_conflict(message: str, causes: Sequence[Mapping[str, str]]) -> ApiError:
    return ApiError(409, "Conflict", message, {"causes": [dict(cause) for cause in causes]})


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> ApiError:
    message = f"{f'{kind}.{group}' if group else kind} {quoted(name)} is invalid"
    if errors:
        message += ": " + aggregate(errors)
    details: dict[str, Any] = {key: value for key, value in (("name", name), ("group", group), ("kind", kind)) if value}
    if errors:
        details["causes"] = [error.cause for error in errors]
    return ApiError(422, "Invalid", message, details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    return ApiError(401, "Unauthorized", message)


def forbidden(resource: str, name: str, why: str) -> ApiError:
    if not resource:
        message = f"forbidden: {why}"
    elif not name:
        message = f"{resource} is forbidden: {why}"
    else:
        message = f"{resource} {quoted(name)} is forbidden: {why}"
    return ApiError(403, "Forbidden", message, _details(resource, name))


def method_not_supported(resource: str, action: str) -> ApiError:
    message = f"{action} is not supported on resources of kind {quoted(resource)}"
    return ApiError(405, "MethodNotAllowed", message, _details(resource))


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def not_acceptable(message: str) -> ApiError:
    return ApiError(406, "NotAcceptable", message)


def unsupported_media_type(message: str) -> ApiError:
    return ApiError(415, "UnsupportedMediaType", message)


def request_too_large(message: str) -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {message}")


def expired(message: str) -> ApiError:
    """The version asked for is compacted away: list again."""
    return ApiError(410, "Expired", message)


def gone(message: str) -> ApiError:
    return ApiError(410, "Gone", message)


def timeout(message: str, retry_after: int = 0) -> ApiError:
    return ApiError(504, "Timeout", f"Timeout: {message}", {}, retry_after or None)


def too_many_requests(message: str, retry_after: int = 0) -> ApiError:
    return ApiError(429, "TooManyRequests", message, {}, retry_after or None)


def internal_error(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}", {"causes": [{"message": message}]})


def service_unavailable(message: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", message)
