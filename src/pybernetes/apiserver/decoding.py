"""A request's body as a document of the kind that is served, and what in it deserves a warning or a refusal.

Guarantees  What comes out has the kind's apiVersion and kind, JSON types as the schema says, and no unknown field.

Follows decodeErrors and field validation in k8s.io/apiserver/pkg/endpoints/handlers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from pybernetes.api import errors, go_json
from pybernetes.api.fields import quoted
from pybernetes.api.kinds import ALL, KindInfo, by_gvk
from pybernetes.api.schema import DecodeError, Reading, Shape, find_duplicates, shape_of
from pybernetes.api.schema.duplicates import merging, problems_in_order
from pybernetes.api.schema.misfits import told_of
from pybernetes.apiserver import protobuf
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.negotiation import Encoding, encoding_of_body
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.write_options import FieldValidation, check_options, field_validation
from pybernetes.apiserver.yaml_body import UnreadableYaml, read_yaml, repeated_keys


class Decoded(msgspec.Struct, frozen=True):
    document: Document
    warnings: Sequence[str] = ()


def parse_body(request: ApiRequest) -> Any:
    """The body as JSON values. Raises 400."""
    try:
        return _parsed(request, encoding_of_body(request))
    except UnreadableBody as error:
        raise errors.bad_request(str(error)) from error


class UnreadableBody(ValueError):
    """The text is upstream's."""


class UnfitBody(UnreadableBody):
    """What it says it is can be read, and no more."""

    def __init__(self, why: protobuf.UnfitMessage) -> None:
        super().__init__(str(why))
        self.kind = why.kind
        self.version = why.api_version.rpartition("/")[2]


def _parsed(request: ApiRequest, encoding: Encoding, expected: KindInfo | None = None) -> Any:
    match encoding:
        case Encoding.YAML:
            try:
                return read_yaml(request.body)
            except UnreadableYaml as error:
                raise UnreadableBody(str(error).removeprefix("error converting YAML to JSON: ")) from error
        case Encoding.PROTOBUF:
            try:
                return protobuf.decode_body(request.body, expected)
            except protobuf.UnfitMessage as error:
                raise UnfitBody(error) from error
            except protobuf.ProtobufError as error:
                raise UnreadableBody(str(error)) from error
        case Encoding.JSON:
            try:
                return go_json.loads(request.body)
            except go_json.UnreadableJson as error:
                raise UnreadableBody(f"couldn't get version/kind; json parse error: {error}") from error


def decode(request: ApiRequest, shape: Shape, info: KindInfo, also: Sequence[str] = ()) -> Decoded:
    """Raises 400 for what cannot be read as the kind, and in strict mode for unknown and repeated fields.

    ``also`` are further apiVersions that the kind's bodies may state. Options of the write that upstream refuses are
    refused before the body is looked at (422)."""
    decoded = _decode(request, shape, info, also)
    if request.audited is not None:
        request.audited.request_object(decoded.document)
    return decoded


def _decode(request: ApiRequest, shape: Shape, info: KindInfo, also: Sequence[str]) -> Decoded:
    check_options(request)
    mode = field_validation(request)
    encoding = encoding_of_body(request)
    try:
        document = _parsed(request, encoding, info)
        document = {} if document is None else document
        _check_identity(document)
    except UnfitBody as error:
        told = f"{error.kind} in version {quoted(error.version)} cannot be handled as a {info.kind}: {error}"
        raise errors.bad_request(told) from error
    except UnreadableBody as error:
        raise errors.bad_request(unrecognized(info, str(error), request.body)) from error
    if document.get("apiVersion") in also:
        document["apiVersion"] = info.api_version
    check_kind(document, info)
    repeated = _repetitions(request, document, encoding)
    if not repeated:
        body = request.body if encoding is Encoding.JSON else b""
        return conform(document, shape, info, mode, body=body)
    if encoding is Encoding.YAML:
        return conform(document, shape, info, mode, (_in_one(repeated),))
    merged = merging(request.body)
    check_kind(merged, info)
    return _conform_repeated(request.body, merged, shape, info, mode)


def _repetitions(request: ApiRequest, document: Any, encoding: Encoding) -> Sequence[str]:
    """What is stated more than once: problems of a YAML body, paths in a JSON body."""
    match encoding:
        case Encoding.JSON:
            return find_duplicates(request.body, document)
        case Encoding.YAML:
            return repeated_keys(request.body)
        case _:
            return ()


def _in_one(repeated: Sequence[str]) -> str:
    """As Go's YAML tells of all of them."""
    return "\n  ".join(("yaml: unmarshal errors:", *repeated))


def _conform_repeated(body: bytes, document: Document, shape: Shape, info: KindInfo, mode: FieldValidation) -> Decoded:
    """Fields stated twice are merged as Go does, and told in the order they stand in."""
    read = _read(document, shape, info, body)
    return _judged(read.document, problems_in_order(body, set(read.unknown)), info, mode)


def _check_identity(document: Any) -> None:
    """Raises UnreadableBody for what does not say what it is."""
    wrong = identity_problem(document)
    if wrong:
        raise UnreadableBody(wrong)


def identity_problem(document: Any) -> str:
    """Why no kind can be read off a body; "" if one can."""
    if not isinstance(document, dict):
        what = f"json: cannot unmarshal {go_json.type_of(document)} {_INTO_IDENTITY}"
        return f"couldn't get version/kind; json parse error: {what}"
    for name in ("kind", "apiVersion"):
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            return (
                "couldn't get version/kind; json parse error: json: cannot unmarshal "
                f"{go_json.type_of(value)} into Go struct field .{name} of type string"
            )
    if (document.get("apiVersion") or "").count("/") > 1:
        return f"unexpected GroupVersion string: {document['apiVersion']}"
    return ""


_INTO_IDENTITY = (
    r'into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; '
    r'Kind string "json:\"kind,omitempty\"" }'
)


def unrecognized(info: KindInfo, why: str, body: bytes) -> str:
    return f"the object provided is unrecognized (must be of type {info.kind}): {why} ({_summary(body)})"


_SUMMARY = 30


def _summary(body: bytes) -> str:
    if not body:
        return "<empty>"
    start, rest = body[:_SUMMARY], " ..." if len(body) > _SUMMARY else ""
    return (start.decode("utf-8", "replace") if body[:1] == b"{" else start.hex()) + rest


def conform(
    document: Document,
    shape: Shape,
    info: KindInfo,
    mode: FieldValidation,
    problems: Sequence[str] = (),
    body: bytes = b"",
) -> Decoded:
    """Reads a document against the schema; ``problems`` are those that parsing has found already, ``body`` is the
    JSON that it was read from."""
    read = _read(document, shape, info, body)
    if mode is FieldValidation.IGNORE or not (read.unknown or problems):
        return Decoded(read.document)
    return _judged(read.document, [*problems, *(f"unknown field {quoted(path)}" for path in read.unknown)], info, mode)


def _read(document: Document, shape: Shape, info: KindInfo, body: bytes) -> Reading:
    try:
        return read_keeping_reset(document, shape)
    except DecodeError as error:
        raise errors.bad_request(cannot_be_handled(info, told_of(error, document, shape, body))) from error


def read_keeping_reset(document: Document, shape: Shape, before: Document | None = None) -> Reading:
    """An empty list of managedFields says something: forget the managers. ``before`` as for ``Shape.read``.
    Raises DecodeError."""
    reading = shape.read(document, before)
    metadata = document.get("metadata")
    if metadata and metadata.get("managedFields") == []:
        reading.document["metadata"]["managedFields"] = []
    return reading


def _judged(document: Document, found: Sequence[str], info: KindInfo, mode: FieldValidation) -> Decoded:
    if mode is FieldValidation.IGNORE or not found:
        return Decoded(document)
    if mode is FieldValidation.STRICT:
        raise errors.bad_request(cannot_be_handled(info, f"strict decoding error: {', '.join(found)}"))
    return Decoded(document, found)


SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
_OWN_SCHEMES = {
    "apiregistration.k8s.io": "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28",
    "apiextensions.k8s.io": "k8s.io/apiextensions-apiserver/pkg/apiserver/apiserver.go:55",
}
"""Of groups whose servers know no kinds but their own."""
_UNVERSIONED = frozenset(("Status", "APIVersions", "APIGroupList", "APIGroup", "APIResourceList"))
"""Known by their names in whatever version."""
_OF_EVERY_VERSION = frozenset(
    ("WatchEvent", "ListOptions", "GetOptions", "DeleteOptions", "CreateOptions", "UpdateOptions", "PatchOptions")
)
"""Registered with each version of each group."""


def check_kind(document: Document, info: KindInfo) -> None:
    """What the body says it is, or what it is taken for when it says nothing. Raises 400."""
    wrong = kind_problem(document, info)
    if wrong:
        raise errors.bad_request(_handled(document, wrong, info))
    document["apiVersion"], document["kind"] = info.api_version, info.kind


def _handled(document: Document, wrong: str, info: KindInfo) -> str:
    """What is of another kind is read as that before it is found not to be convertible."""
    if wrong.startswith("the API version"):
        return wrong
    if wrong.startswith("converting"):
        wrong = _misfit_of_its_kind(document) or wrong
    version = (document.get("apiVersion") or info.api_version).rpartition("/")[2]
    return (
        f"{document.get('kind') or info.kind} in version {quoted(version)} cannot be handled as a {info.kind}: {wrong}"
    )


def kind_problem(document: Document, info: KindInfo) -> str:
    """Why the document is not of the kind; "" if it is."""
    api_version, kind = document.get("apiVersion") or info.api_version, document.get("kind") or info.kind
    if api_version == info.api_version and kind == info.kind:
        return ""
    group, _, version = str(api_version).rpartition("/")
    scheme = _OWN_SCHEMES.get(info.group, SCHEME)
    if not _is_known(group, version, kind) if scheme is SCHEME else not _is_own(group, version, kind, info):
        return f'no kind {quoted(str(kind))} is registered for version {quoted(str(api_version))} in scheme "{scheme}"'
    if kind == info.kind and group == info.group:
        return (
            f"the API version in the data ({api_version}) does not match the expected API version ({info.api_version})"
        )
    target = f"{info.group.partition('.')[0] or 'core'}.{info.kind}"
    return f"converting ({version}.{kind}) to ({target}): unknown conversion"


def _misfit_of_its_kind(document: Document) -> str:
    group, _, version = document["apiVersion"].rpartition("/")
    try:
        shape = shape_of(group, version, document["kind"])
        shape.read(document)
    except LookupError:
        return ""
    except DecodeError as error:
        return told_of(error, document, shape)
    return ""


def _is_own(group: str, version: str, kind: str, info: KindInfo) -> bool:
    """The kind itself, in a version that was served once, too, and what every group has."""
    if kind in _UNVERSIONED or ((group, version) == ("", "v1") and kind in _OF_EVERY_VERSION):
        return True
    if group != info.group or version not in (info.version, "v1beta1"):
        return False
    return kind in (info.kind, info.list_kind) or kind in _OF_EVERY_VERSION


def _is_known(group: str, version: str, kind: str) -> bool:
    if kind in _UNVERSIONED or (group, version, kind) == ("", "v1", "List"):
        return True
    if kind in _OF_EVERY_VERSION:
        return any((info.group, info.version) == (group, version) for info in ALL)
    try:
        by_gvk(group, version, str(kind).removesuffix("List"))
    except LookupError:
        return False
    return True


def cannot_be_handled(info: KindInfo, why: str) -> str:
    return f'{info.kind} in version "{info.version}" cannot be handled as a {info.kind}: {why}'
