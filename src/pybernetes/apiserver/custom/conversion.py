"""Custom resources from one version to another: the same with another apiVersion, or as a webhook makes them.

Follows pkg/apiserver/conversion of apiextensions-apiserver.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Protocol

import orjson

from pybernetes.api import errors, go_json
from pybernetes.api.fields import FieldError, aggregate, at, quoted
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.metadata import check_annotations, check_labels
from pybernetes.apiserver.webhook_client import CallFailed

REVIEW_VERSIONS = ("v1", "v1beta1")
TIMEOUT = 30.0


class Caller(Protocol):
    async def call(self, client_config: Document, document: Document, timeout: float | None = None) -> Document: ...


class ConversionFailed(Exception):
    """What the webhook gave is not the objects asked for."""


class WebhookConversion:
    def __init__(self, webhook: Mapping[str, Any], clients: Caller, new_uid: Callable[[], str]) -> None:
        config = dict(webhook["clientConfig"])
        if not base64.b64decode(config.get("caBundle") or "").strip():
            config.pop("caBundle", None)
        self._config = config
        self._clients = clients
        self._new_uid = new_uid
        self._review = next((one for one in webhook["conversionReviewVersions"] if one in REVIEW_VERSIONS), "")

    async def convert(self, documents: Sequence[Document], api_version: str) -> list[Document]:
        """Objects of other versions, all of one kind. Raises 500."""
        first = documents[0]
        group, _, version = first["apiVersion"].rpartition("/")
        kind = f"{group}/{version}, Kind={first['kind']}"
        uid = self._new_uid()
        review = {
            "kind": "ConversionReview",
            "apiVersion": f"apiextensions.k8s.io/{self._review}",
            "request": {"uid": uid, "desiredAPIVersion": api_version, "objects": list(documents)},
            "response": {"uid": "", "convertedObjects": None, "result": {"metadata": {}}},
        }
        try:
            answer = await self._clients.call(self._config, review, TIMEOUT)
            converted = self._objects(answer, uid)
        except (CallFailed, ConversionFailed) as error:
            raise _failed(f"conversion webhook for {kind} failed: {error}") from error
        if len(converted) != len(documents):
            raise _failed(f"conversion webhook for {kind} returned {len(converted)} objects, expected {len(documents)}")
        return [_checked(kind, *pair, api_version) for pair in zip(documents, converted, strict=True)]

    def _objects(self, answer: Document, uid: str) -> list[Any]:
        wanted = f"apiextensions.k8s.io/{self._review}"
        api_version, kind = str(answer.get("apiVersion") or ""), str(answer.get("kind") or "")
        if kind != "ConversionReview" or api_version.removeprefix("apiextensions.k8s.io/") not in REVIEW_VERSIONS:
            raise ConversionFailed(
                f'no kind {quoted(kind)} is registered for version {quoted(api_version)} in scheme "{_SCHEME}"'
            )
        if api_version != wanted:
            given, stated = (f"{one.rpartition('/')[2]}.ConversionReview" for one in (api_version, wanted))
            raise ConversionFailed(f"converting ({given}) to ({stated}): unknown conversion")
        response = answer.get("response")
        if not isinstance(response, dict):
            raise ConversionFailed("no response provided")
        if self._review == "v1" and response.get("uid", "") != uid:
            raise ConversionFailed(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        result = response.get("result")
        result = result if isinstance(result, dict) else {}
        if result.get("status") != "Success":
            status = result.get("status") or ""
            raise ConversionFailed(result.get("message") or f"response.result.status was '{status}', not 'Success'")
        converted = response.get("convertedObjects") or []
        if not isinstance(converted, list):
            raise ConversionFailed(
                f"json: cannot unmarshal {go_json.type_of(converted)} into Go struct field "
                "ConversionResponse.response.convertedObjects of type []runtime.RawExtension"
            )
        return converted


_SCHEME = "k8s.io/apiserver/pkg/util/webhook/client.go:71"


def _failed(message: str) -> errors.ApiError:
    return errors.ApiError(500, "", message)


def _checked(kind: str, original: Document, made: Any, api_version: str) -> Document:
    """The converted object with the metadata of the original; labels and annotations may have changed."""
    problem = _unreadable(made)
    if problem:
        raise _failed(problem)
    start = f"conversion webhook for {kind} returned invalid"
    if made.get("apiVersion") != api_version:
        why = f"invalid groupVersion (expected {api_version}, received {made.get('apiVersion') or ''})"
        raise _failed(f"{start} object at index 0: {why}")
    if made["kind"] != original["kind"]:
        why = f"invalid kind (expected {original['kind']}, received {made['kind']})"
        raise _failed(f"{start} object at index 0: {why}")
    problem = next(_differences(original, made), "")
    if problem:
        raise _failed(f"{start} object: {problem}")
    try:
        return {**made, "metadata": _metadata(original.get("metadata") or {}, made.get("metadata"))}
    except ConversionFailed as error:
        raise _failed(f"{start} metadata: {error}") from error


def _unreadable(made: Any) -> str:
    if made is None:
        return "unexpected end of JSON input"
    if not isinstance(made, dict):
        return f"json: cannot unmarshal {go_json.type_of(made)} into Go value of type map[string]interface {{}}"
    if not made.get("kind"):
        return f"Object 'Kind' is missing in '{orjson.dumps(made).decode()}'"
    return ""


def _differences(original: Document, made: Document) -> Iterator[str]:
    stated, metadata = original.get("metadata") or {}, made.get("metadata")
    for name, label in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        before = stated.get(name, "")
        after = metadata.get(name, "") if isinstance(metadata, dict) else ""
        if before != after:
            yield f"must have the same {label}: {before} != {after}"


def _metadata(original: Document, made: Any) -> Document:
    if made is None:
        raise ConversionFailed("missing metadata in converted object")
    metadata = deepcopy(original)
    for name, check, path in (
        ("labels", check_labels, at.metadata.labels),
        ("annotations", check_annotations, at.metadata.annotation),
    ):
        stated = made.get(name)
        if stated is None:
            metadata.pop(name, None)
            continue
        if not isinstance(stated, dict):
            raise ConversionFailed(f"invalid metadata.{name} of type {_go_type(stated)} in converted object")
        for key, value in stated.items():
            if not isinstance(value, str):
                raise ConversionFailed(
                    f"metadata.{name}[{key}] must be a string, but is {_go_type(value)} in converted object"
                )
        if stated != (original.get(name) or {}):
            problems: list[FieldError] = list(check(stated, path))
            if problems:
                raise ConversionFailed(aggregate(problems))
        metadata[name] = stated
    return metadata


def _go_type(value: Any) -> str:
    """As %T shows what was read of JSON."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case str():
            return "string"
        case int():
            return "int64"
        case float():
            return "float64"
        case list():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"
