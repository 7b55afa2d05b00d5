"""AdmissionReview: what a webhook is asked, and what it answers. Pure.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/request and errors.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import quoted
from pybernetes.apiserver.admission.contract import Attributes, Kind
from pybernetes.apiserver.admission.webhooks.matching import namespace_of
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.resource import Document, Resource

GROUP = "admission.k8s.io"
JSON_PATCH = "JSONPatch"
_NEITHER = object()


class InvalidResponse(Exception):
    """The webhook has answered something that is no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    allowed: bool
    patch: Sequence[Document] = ()
    result: Document | None = None
    warnings: Sequence[str] = ()
    audit_annotations: Mapping[str, str] | None = None


def request(seen: Attributes, asked: Attributes, version: str, uid: str) -> Document:
    """``asked`` is the write as it was sent, ``seen`` the same as the webhook wants to see it."""
    review: Document = {
        "uid": uid,
        "kind": _kind(seen.kind),
        "resource": _resource(seen.resource),
        "subResource": asked.subresource,
        "requestKind": _kind(asked.kind),
        "requestResource": _resource(asked.resource),
        "requestSubResource": asked.subresource,
        "name": asked.name,
        "namespace": namespace_of(asked),
        "operation": asked.operation.value,
        "userInfo": _user(asked.user),
        "object": seen.document,
        "oldObject": seen.old,
        "dryRun": asked.dry_run,
        "options": asked.options,
    }
    for name in ("subResource", "requestSubResource", "name", "namespace"):
        if not review[name]:
            del review[name]
    return {"kind": "AdmissionReview", "apiVersion": f"{GROUP}/{version}", "request": review}


def _kind(kind: Kind) -> Document:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _resource(resource: Resource) -> Document:
    info = resource.info
    return {"group": info.group, "version": info.version, "resource": info.plural}


def _user(user: User) -> Document:
    told = {"username": user.name, "uid": user.uid, "groups": user.groups, "extra": dict(user.extra)}
    return {name: value for name, value in told.items() if value}


def read(document: Document, version: str, uid: str, *, mutating: bool) -> Answer:
    """Raises ``InvalidResponse``."""
    response = document.get("response")
    if not isinstance(response, dict):
        raise InvalidResponse("webhook response was absent")
    patch = _decoded(response.get("patch"))
    patch_type = response.get("patchType", _NEITHER)
    if version == "v1":
        _check_v1(document, response, uid)
        _check_patch(patch, patch_type, mutating=mutating)
    elif not mutating:
        patch = b""
    return Answer(
        allowed=bool(response.get("allowed")),
        patch=_operations(patch) if patch and response.get("allowed") else (),
        result=response.get("status"),
        warnings=tuple(response.get("warnings") or ()),
        audit_annotations=response.get("auditAnnotations"),
    )


def _check_v1(document: Document, response: Document, uid: str) -> None:
    answered = response.get("uid", "")
    if answered != uid:
        raise InvalidResponse(f'expected response.uid="{uid}", got {quoted(answered)}')
    kind, api_version = document.get("kind", ""), document.get("apiVersion", "")
    if (kind, api_version) != ("AdmissionReview", f"{GROUP}/v1"):
        raise InvalidResponse(
            f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {api_version}, Kind={kind}"
        )


def _check_patch(patch: bytes, patch_type: Any, *, mutating: bool) -> None:
    stated = patch_type is not _NEITHER and patch_type is not None
    if not mutating:
        if patch:
            raise InvalidResponse("validating webhook may not return response.patch")
        if stated:
            raise InvalidResponse("validating webhook may not return response.patchType")
        return
    if patch and not stated:
        raise InvalidResponse("webhook returned response.patch but not response.patchType")
    if stated and not patch:
        raise InvalidResponse("webhook returned response.patchType but not response.patch")
    if stated and not patch_type:
        raise InvalidResponse('webhook returned invalid response.patchType of ""')
    if stated and patch_type != JSON_PATCH:
        raise UnsupportedPatch(f"unsupported patch type {quoted(str(patch_type))}")


class UnsupportedPatch(InvalidResponse):
    """The patch is of a type that nobody knows."""


class UndecodablePatch(InvalidResponse):
    """The patch is no list of operations."""


def _decoded(patch: Any) -> bytes:
    if not patch:
        return b""
    try:
        return base64.b64decode(patch, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise InvalidResponse(f"illegal base64 data: {error}") from error


def _operations(patch: bytes) -> Sequence[Document]:
    try:
        operations = orjson.loads(patch)
    except orjson.JSONDecodeError as error:
        raise UndecodablePatch(str(error)) from error
    if not isinstance(operations, list):
        raise UndecodablePatch("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    return operations


def denial(name: str, result: Document | None) -> errors.ApiError:
    """The refusal that a webhook's status tells of."""
    stated = result or {}
    code = stated.get("code") or 0
    text = f"admission webhook {quoted(name)} denied the request"
    message, reason = stated.get("message") or "", stated.get("reason") or ""
    text = f"{text}: {message or reason}" if message or reason else f"{text} without explanation"
    return errors.ApiError(max(int(code), 400), reason, text, stated.get("details"))
