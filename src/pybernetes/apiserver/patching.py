"""PATCH: from the body and its content type to a change of a document.

A patch is looked at when its object has been found: one that is no patch is answered with 404 before 400.

Follows k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import orjson

from pybernetes.api import errors, go_json
from pybernetes.api.fields import FieldPath, invalid, quoted
from pybernetes.api.kinds import KindInfo
from pybernetes.api.patch import BadPatch, PatchError, UnfitPatch, json_patch, merge, strategic
from pybernetes.api.patch.checking import go_text
from pybernetes.api.schema import DecodeError, Reading, Shape, find_duplicates
from pybernetes.api.schema.conversion import convert
from pybernetes.api.schema.duplicates import merging
from pybernetes.api.schema.misfits import told_of
from pybernetes.apiserver import patched_text
from pybernetes.apiserver.decoding import Decoded, identity_problem, kind_problem, read_keeping_reset
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.write_options import FieldValidation

Change = Callable[[Document], Document]


class PatchType(StrEnum):
    JSON = "application/json-patch+json"
    MERGE = "application/merge-patch+json"
    STRATEGIC = "application/strategic-merge-patch+json"
    APPLY = "application/apply-patch+yaml"


_TYPES = {one.value: one for one in PatchType}
MOST_OPERATIONS = 10_000


def patch_type(request: ApiRequest) -> PatchType:
    """Raises 415."""
    stated = request.headers.get("content-type", "").split(";")[0]
    found = _TYPES.get(stated)
    if found is None:
        # The router looks whether any of several types is known, and the handler at the whole.
        known = any(one.split(";")[0].strip() in _TYPES for one in request.headers.get("content-type", "").split(","))
        raise errors.unsupported_media_type(_UNKNOWN_FORMAT) if known else unsupported()
    return found


_UNKNOWN_FORMAT = (
    f"the body of the request was in an unknown format - accepted media types include: {', '.join(_TYPES)}"
)


def unsupported() -> errors.ApiError:
    return errors.ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})


def text_of(document: Document) -> str:
    return go_json.escaped(orjson.dumps(document).decode())


class Patch:
    """What a PATCH other than an apply asks for. It can be made again on a newer object."""

    def __init__(
        self, request: ApiRequest, shape: Shape, mode: FieldValidation, text: Callable[[Document], str] = text_of
    ) -> None:
        """``text`` shows a document in an error."""
        self._body = request.body
        self._type = patch_type(request)
        self._shape = shape
        self._mode = mode
        self._text = text
        self._parsed: tuple[Change, Any, Sequence[str]] | None = None

    def __call__(self, document: Document) -> Document:
        """Raises 400, 413 or 422 for what is no patch or does not fit, 500 where upstream does."""
        change, _, _ = self._read()
        try:
            return change(document)
        except BadPatch as error:
            raise errors.bad_request(str(error)) from error
        except UnfitPatch as error:
            raise errors.ApiError(500, "", str(error)) from error
        except PatchError as error:
            raise errors.ApiError(
                422, "Invalid", "the server rejected our request due to an error in our request", {}
            ) from error

    def conform(self, patched: Document, info: KindInfo, live: Document | None = None) -> Decoded:
        """The patched document as one of the kind; it takes the parts of ``live``, the one that was patched, that are
        still the same. Raises 422."""
        _, _, repeated = self._read()
        try:
            reading = self._reading(patched, info, live)
        except DecodeError as error:
            is_converted = self._type is PatchType.STRATEGIC
            why = str(error) if is_converted else told_of(error, patched, self._shape)
            raise self.refused(patched, why, live) from error
        if self._mode is FieldValidation.IGNORE or not (reading.unknown or repeated):
            return Decoded(reading.document)
        found = [*repeated, *(f"unknown field {quoted(path)}" for path in self._in_order(reading.unknown, info, live))]
        if self._mode is FieldValidation.STRICT:
            raise self.refused(patched, f"strict decoding error: {', '.join(found)}", live)
        return Decoded(reading.document, found)

    def _reading(self, patched: Document, info: KindInfo, live: Document | None) -> Reading:
        """A strategic merge patch is about fields of the kind and cannot make it another one. What has no apiVersion is
        read as nothing at all."""
        if self._type is not PatchType.STRATEGIC:
            wrong = identity_problem(patched) or kind_problem(patched, info)
            if wrong:
                raise DecodeError(wrong)
            identity = {"apiVersion": info.api_version, "kind": info.kind}
            if patched.get("apiVersion"):
                return read_keeping_reset({**patched, **identity}, self._shape, live)
            return read_keeping_reset(identity, self._shape)._replace(unknown=sorted(patched.keys() - identity.keys()))
        shape = self._shape
        reading = convert(patched, lambda document: read_keeping_reset(document, shape, live), shape.definition)
        reading.document["apiVersion"], reading.document["kind"] = info.api_version, info.kind
        return reading

    def refused(self, patched: Document, why: str, live: Document | None = None) -> errors.ApiError:
        """422, showing the patch or what it made of ``live``."""
        return errors.invalid("", "", "", [invalid(FieldPath("patch"), self._shown(patched, live), why)])

    def _in_order(self, unknown: Sequence[str], info: KindInfo, live: Document | None) -> Sequence[str]:
        """As they stand in the text that the patch made; a custom kind's are told in the order of its own reading."""
        if self._text is not text_of:
            return unknown
        if len(unknown) < 2 or live is None or self._type is PatchType.STRATEGIC:
            return sorted(unknown)
        return self._reading(self._in_field_order(live), info, None).unknown

    def _shown(self, patched: Document, live: Document | None) -> str:
        if self._type is PatchType.STRATEGIC:
            return go_text(self._read()[1])
        if live is None:
            return self._text(patched)
        return self._text(self._in_field_order(live) if self._text is text_of else self(live))

    def _in_field_order(self, live: Document) -> Document:
        show = patched_text.merged if self._type is PatchType.MERGE else patched_text.operated
        return show(live, self._read()[1], self._shape)

    def _read(self) -> tuple[Change, Any, Sequence[str]]:
        if self._parsed is None:
            self._parsed = self._parse()
        return self._parsed

    def _parse(self) -> tuple[Change, Any, Sequence[str]]:
        before = "" if self._type is PatchType.STRATEGIC else "error decoding patch: "
        try:
            patch = go_json.loads(self._body, go_json.Words.SCANNER)
        except go_json.UnreadableJson as error:
            raise errors.bad_request(f"{before}{error}") from error
        repeated = find_duplicates(self._body, patch)
        if repeated:
            patch = merging(self._body)
        if self._type is PatchType.JSON:
            return self._parse_operations(patch, repeated)
        if patch is not None and not isinstance(patch, dict):
            into = "into Go value of type map[string]interface {}"
            raise errors.bad_request(f"{before}json: cannot unmarshal {go_json.type_of(patch)} {into}")
        repetitions = [f"duplicate field {quoted(path)}" for path in repeated]
        if self._type is PatchType.MERGE:
            if patch is None:
                raise errors.bad_request("Invalid JSON Patch")
            return lambda document: merge.apply(document, patch), patch, repetitions
        changes = patch or {}
        return lambda document: strategic.apply(document, changes, self._shape), changes, repetitions

    def _parse_operations(self, patch: Any, repeated: Sequence[str]) -> tuple[Change, Any, Sequence[str]]:
        patch = [] if patch is None else patch
        wrong = _wrong_operations(patch)
        if wrong:
            raise errors.bad_request(f"error decoding patch: json: cannot unmarshal {wrong}")
        unknown = [
            f"[{index}].{name}"
            for index, operation in enumerate(patch)
            for name in operation or ()
            if name not in _OPERATION
        ]
        found = [*(("duplicate", path) for path in repeated), *(("unknown", path) for path in unknown)]
        found.sort(key=lambda one: _index_in(one[1]))
        problems = [f"json patch {what} field {quoted(path)}" for what, path in found]
        if len(patch) > MOST_OPERATIONS:
            raise errors.ApiError(
                413,
                "RequestEntityTooLarge",
                f"Request entity too large: The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, "
                f"got {len(patch)}",
            )
        return lambda document: json_patch.apply(document, patch), patch, problems


_OPERATION = ("op", "path", "from", "value")


def _index_in(path: str) -> int:
    """Which operation a path like `[2].value` is of."""
    return int(path[1 : path.index("]")])


def _wrong_operations(patch: Any) -> str:
    if not isinstance(patch, list):
        return f"{go_json.type_of(patch)} into Go value of type []handlers.jsonPatchOp"
    for operation in patch:
        if operation is not None and not isinstance(operation, dict):
            return f"{go_json.type_of(operation)} into Go value of type handlers.jsonPatchOp"
        for name in ("op", "path", "from"):
            value = (operation or {}).get(name)
            if value is not None and not isinstance(value, str):
                return f"{go_json.type_of(value)} into Go struct field jsonPatchOp.{name} of type string"
    return ""
