"""A request's body as a document of the kind that is served, and what in it deserves a warning or a refusal.

Guarantees  What comes out has the kind's apiVersion and kind, JSON types as the schema says, and no unknown field.

Follows decodeErrors and field validation in k8s.io/apiserver/pkg/endpoints/handlers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.kinds import KindInfo
from pybernetes.api.schema import DecodeError, Shape, find_duplicates
from pybernetes.apiserver import protobuf
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.negotiation import Encoding, encoding_of_body
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.write_options import FieldValidation, field_validation
from pybernetes.apiserver.yaml_body import UnreadableYaml, read_yaml


@dataclass(frozen=True, slots=True)
class Decoded:
    document: Document
    warnings: Sequence[str] = ()


def parse_body(request: ApiRequest) -> Any:
    """The body as JSON values."""
    match encoding_of_body(request):
        case Encoding.YAML:
            return parse_yaml(request.body)
        case Encoding.PROTOBUF:
            return parse_protobuf(request.body)
        case Encoding.JSON:
            return parse_json(request.body)


def parse_protobuf(body: bytes) -> Any:
    try:
        return protobuf.decode_body(body)
    except protobuf.ProtobufError as error:
        raise errors.bad_request(f"protobuf: {error}") from error


def parse_json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise errors.bad_request(f"couldn't get version/kind; json parse error: {error}") from error


def decode(request: ApiRequest, shape: Shape, info: KindInfo) -> Decoded:
    """Raises 400 for what cannot be read as the kind, and in strict mode for unknown and repeated fields."""
    mode = field_validation(request)
    document = parse_body(request)
    problems = [] if mode is FieldValidation.IGNORE else duplicate_fields(request, document)
    check_kind(document, info)
    return conform(document, shape, info, mode, problems)


def conform(
    document: Document, shape: Shape, info: KindInfo, mode: FieldValidation, problems: Sequence[str] = ()
) -> Decoded:
    """Reads a document against the schema; ``problems`` are those that parsing has found already."""
    try:
        reading = shape.read(document)
    except DecodeError as error:
        raise errors.bad_request(cannot_be_handled(info, str(error))) from error
    read: Document = reading.document
    if mode is FieldValidation.IGNORE or not (reading.unknown or problems):
        return Decoded(read)
    found = [*(f'unknown field "{path}"' for path in reading.unknown), *problems]
    if mode is FieldValidation.STRICT:
        raise errors.bad_request(cannot_be_handled(info, f"strict decoding error: {', '.join(found)}"))
    return Decoded(read, found)


def check_kind(document: Any, info: KindInfo) -> None:
    if not isinstance(document, dict):
        raise errors.bad_request(
            f"the object provided is unrecognized (must be of type {info.kind}): the body is not an object"
        )
    version, kind = document.get("apiVersion") or info.api_version, document.get("kind") or info.kind
    if version != info.api_version and kind == info.kind:
        raise errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({info.api_version})"
        )
    if kind != info.kind:
        short = str(version).rpartition("/")[2]
        raise errors.bad_request(
            f'{kind} in version "{short}" cannot be handled as a {info.kind}: '
            f"no kind match between {version} {kind} and {info.api_version} {info.kind}"
        )
    document["apiVersion"], document["kind"] = info.api_version, info.kind


def cannot_be_handled(info: KindInfo, why: str) -> str:
    return f'{info.kind} in version "{info.version}" cannot be handled as a {info.kind}: {why}'


def duplicate_fields(request: ApiRequest, document: Any) -> list[str]:
    """`duplicate field "spec.x"` for each field that the JSON body has more than once in one object."""
    if encoding_of_body(request) is not Encoding.JSON:
        return []
    return [f'duplicate field "{path}"' for path in find_duplicates(request.body, document)]


def parse_yaml(body: bytes) -> Any:
    try:
        return read_yaml(body)
    except UnreadableYaml as error:
        raise errors.bad_request(str(error)) from error
