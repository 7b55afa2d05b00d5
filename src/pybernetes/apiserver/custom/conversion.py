"""Custom resources from one version to another: the same with another apiVersion, or as a webhook makes them.

Follows pkg/apiserver/conversion of apiextensions-apiserver.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any, Protocol

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, aggregate, at
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
        return [
            _checked(kind, index, original, made, api_version)
            for index, (original, made) in enumerate(zip(documents, converted, strict=True))
        ]

    def _objects(self, answer: Document, uid: str) -> list[Document]:
        wanted = f"apiextensions.k8s.io/{self._review}, Kind=ConversionReview"
        group, _, version = str(answer.get("apiVersion") or "").rpartition("/")
        given = f"{group}/{version}, Kind={answer.get('kind') or ''}"
        if self._review == "v1" and given != wanted:
            raise ConversionFailed(f"expected webhook response of {wanted}, got {given}")
        response = answer.get("response")
        if not isinstance(response, dict):
            raise ConversionFailed("no response provided")
        if self._review == "v1" and response.get("uid", "") != uid:
            raise ConversionFailed(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
        result = response.get("result") or {}
        if result.get("status") != "Success":
            status = result.get("status") or ""
            raise ConversionFailed(result.get("message") or f"response.result.status was '{status}', not 'Success'")
        return response.get("convertedObjects") or []


def _failed(message: str) -> errors.ApiError:
    return errors.ApiError(500, "", message)


def _checked(kind: str, index: int, original: Document, made: Document, api_version: str) -> Document:
    """The converted object with the metadata of the original; labels and annotations may have changed."""
    start = f"conversion webhook for {kind} returned invalid"
    where = f"converted object at index {index}"
    if made.get("apiVersion") != api_version:
        why = f"invalid groupVersion (expected {api_version}, received {made.get('apiVersion') or ''})"
        raise _failed(f"{start} {where}: {why}")
    if made.get("kind") != original["kind"]:
        why = f"invalid kind (expected {original['kind']}, received {made.get('kind') or ''})"
        raise _failed(f"{start} {where}: {why}")
    problem = next(_differences(original, made), None)
    if problem is not None:
        raise _failed(f"{start} {where}: {problem}")
    try:
        return {**made, "metadata": _metadata(original["metadata"], made.get("metadata"))}
    except ConversionFailed as error:
        raise _failed(f"{start} metadata in object at index {index}: {error}") from error


def _differences(original: Document, made: Document) -> Iterator[str]:
    metadata = made.get("metadata")
    for name, label in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        before = original["metadata"].get(name, "")
        after = metadata.get(name, "") if isinstance(metadata, dict) else ""
        if before != after:
            yield f"must have the same {label}: {before} != {after}"


def _metadata(original: Document, made: Any) -> Document:
    if made is None:
        raise ConversionFailed("missing metadata in converted object")
    metadata = deepcopy(original)
    for name, check in (("labels", check_labels), ("annotations", check_annotations)):
        stated = made.get(name)
        if stated is None:
            metadata.pop(name, None)
            continue
        for key, value in stated.items():
            if not isinstance(value, str):
                raise ConversionFailed(
                    f"metadata.{name}[{key}] must be a string, but is {type(value).__name__} in converted object"
                )
        if stated != (original.get(name) or {}):
            problems: list[FieldError] = list(check(stated, at.metadata.child(name)))
            if problems:
                raise ConversionFailed(aggregate(problems))
        metadata[name] = stated
    return metadata
