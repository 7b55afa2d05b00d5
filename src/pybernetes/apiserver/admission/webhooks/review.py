"""AdmissionReview: what a webhook is asked, and what it answers. Pure.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/request and errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from pybernetes.api import errors, go_json
from pybernetes.api.fields import quoted
from pybernetes.apiserver.admission.contract import Attributes, Kind
from pybernetes.apiserver.admission.webhooks.matching import namespace_of
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.unmarshalling import unmarshalling

GROUP = "admission.k8s.io"
JSON_PATCH = "JSONPatch"
_SCHEME = '"k8s.io/apiserver/pkg/util/webhook/client.go:71"'
"""Where upstream's client makes its table of kinds, as its messages tell."""


class InvalidResponse(Exception):
    """The webhook has answered something that is no answer."""


class Unreadable(InvalidResponse):
    """It is not even a review."""


class UnsupportedPatch(InvalidResponse):
    """The patch is of a type that nobody knows."""


class UndecodablePatch(InvalidResponse):
    """The patch is no list of operations."""


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


class _Response(msgspec.Struct, rename="camel"):
    uid: str = ""
    allowed: bool = False
    status: dict[str, Any] | None = None
    patch: bytes | None = None
    patch_type: str | None = None
    audit_annotations: dict[str, str] | None = None
    warnings: list[str] | None = None


class _Review(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    response: _Response | None = None


def read(document: Document, version: str, uid: str, *, mutating: bool) -> Answer:
    """Raises ``Unreadable`` for what is no review of the version, ``InvalidResponse`` for one that is no answer."""
    _check_kind(document, version)
    try:
        review = msgspec.convert(document, _Review)
    except msgspec.ValidationError as error:
        raise Unreadable(unmarshalling(error, "AdmissionResponse")) from error
    response = review.response
    if response is None:
        raise InvalidResponse("webhook response was absent")
    patch = response.patch or b""
    if version == "v1":
        _check_v1(review, response, uid)
        _check_patch(patch, response.patch_type, mutating=mutating)
    elif not mutating:
        patch = b""
    operations = _operations(patch) if patch and response.allowed else ()
    if operations and version == "v1" and response.patch_type != JSON_PATCH:
        raise UnsupportedPatch(f"unsupported patch type {quoted(response.patch_type or '')}")
    return Answer(
        allowed=response.allowed,
        patch=operations,
        result=response.status,
        warnings=tuple(response.warnings or ()),
        audit_annotations=response.audit_annotations,
    )


def _check_kind(document: Document, version: str) -> None:
    """What is stated must be known; what is not stated is taken for a review."""
    kind, api_version = document.get("kind") or "AdmissionReview", document.get("apiVersion") or f"{GROUP}/{version}"
    if kind != "AdmissionReview" or api_version not in (f"{GROUP}/v1", f"{GROUP}/v1beta1"):
        raise Unreadable(f"no kind {quoted(kind)} is registered for version {quoted(api_version)} in scheme {_SCHEME}")
    if api_version != f"{GROUP}/{version}":
        other = api_version.rpartition("/")[2]
        raise Unreadable(f"converting ({other}.AdmissionReview) to ({version}.AdmissionReview): unknown conversion")


def _check_v1(review: _Review, response: _Response, uid: str) -> None:
    if response.uid != uid:
        raise InvalidResponse(f"expected response.uid={quoted(uid)}, got {quoted(response.uid)}")
    if not (review.kind and review.api_version):
        group, _, version = review.api_version.rpartition("/")
        raise InvalidResponse(
            f"expected webhook response of {GROUP}/v1, Kind=AdmissionReview, got {group}/{version}, Kind={review.kind}"
        )


def _check_patch(patch: bytes, patch_type: str | None, *, mutating: bool) -> None:
    if not mutating:
        if patch:
            raise InvalidResponse("validating webhook may not return response.patch")
        if patch_type is not None:
            raise InvalidResponse("validating webhook may not return response.patchType")
        return
    if patch and patch_type is None:
        raise InvalidResponse("webhook returned response.patch but not response.patchType")
    if patch_type is not None and not patch:
        raise InvalidResponse("webhook returned response.patchType but not response.patch")
    if patch_type == "":
        raise InvalidResponse('webhook returned invalid response.patchType of ""')


def _operations(patch: bytes) -> Sequence[Document]:
    try:
        operations = orjson.loads(patch)
    except orjson.JSONDecodeError as error:
        raise UndecodablePatch(str(error)) from error
    if not isinstance(operations, list):
        raise UndecodablePatch(
            f"json: cannot unmarshal {go_json.type_of(operations)} into Go value of type jsonpatch.Patch"
        )
    return operations


def denial(name: str, result: Document | None) -> errors.ApiError:
    """The refusal that a webhook's status tells of."""
    stated = result or {}
    code = stated.get("code") or 0
    text = f"admission webhook {quoted(name)} denied the request"
    message, reason = stated.get("message") or "", stated.get("reason") or ""
    text = f"{text}: {message or reason}" if message or reason else f"{text} without explanation"
    return errors.ApiError(max(int(code), 400), reason, text, stated.get("details"))
