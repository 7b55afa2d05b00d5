"""PATCH: from the body and its content type to a change of a document.

Follows k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

from pybernetes.api import errors
from pybernetes.api.patch import PatchError, json_patch, merge, strategic
from pybernetes.api.schema import Shape
from pybernetes.apiserver.decoding import parse_json
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.resource import Document

Change = Callable[[Document], Document]


class PatchType(StrEnum):
    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


MOST_OPERATIONS = 10_000
_SERVED = tuple(PatchType)


def patch_type(request: ApiRequest) -> PatchType:
    stated = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        return PatchType(stated)
    except ValueError as error:
        raise unsupported(_SERVED) from error


def unsupported(served: Sequence[PatchType]) -> errors.ApiError:
    return errors.unsupported_media_type(
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(served)}"
    )


def change_of(request: ApiRequest, shape: Shape) -> Change:
    """The change the request asks for; it can be made again on a newer object."""
    kind = patch_type(request)
    if kind is PatchType.APPLY:
        raise unsupported((PatchType.JSON, PatchType.MERGE, PatchType.STRATEGIC))
    patch = parse_json(request.body)
    if kind is PatchType.JSON:
        return _refusing(_json_change(patch))
    if not isinstance(patch, dict):
        raise errors.bad_request("the patch must be a JSON object")
    if kind is PatchType.MERGE:
        return _refusing(lambda document: merge.apply(document, patch))
    return _refusing(lambda document: strategic.apply(document, patch, shape))


def _json_change(patch: Any) -> Change:
    if not isinstance(patch, list):
        raise errors.bad_request("a JSON patch must be a list of operations")
    if len(patch) > MOST_OPERATIONS:
        raise errors.ApiError(
            413,
            "RequestEntityTooLarge",
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(patch)}",
        )
    return lambda document: json_patch.apply(document, patch)


def _refusing(change: Change) -> Change:
    def refuse(document: Document) -> Document:
        try:
            return change(document)
        except PatchError as error:
            raise errors.ApiError(
                422, "Invalid", f"the server rejected our request due to an error in our request: {error}"
            ) from error

    return refuse
