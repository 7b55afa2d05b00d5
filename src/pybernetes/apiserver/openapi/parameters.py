"""Parameters of operations, and those of OpenAPI v2 that many operations share, which are said once. Pure.

Follows  k8s.io/kube-openapi/pkg/builder/parameters.go: shared ones are named after their hash.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from pybernetes.apiserver.openapi import operations as known
from pybernetes.apiserver.openapi.descriptions import describe
from pybernetes.apiserver.openapi.schemas import Dialect

Document = dict[str, Any]

_OF_ONE_PLACE = frozenset({"name", "dryRun", "fieldValidation"})
"""Never shared: the first names a kind, older clients look for the others in the operations."""
_GENERAL_BODIES = "#/definitions/io.k8s.apimachinery"
_AS_GO_WRITES = ((b"<", rb"\u003c"), (b">", rb"\u003e"), (b"&", rb"\u0026"))
_FNV_START, _FNV_PRIME = 0xCBF29CE484222325, 0x100000001B3
_HASHED_BYTES = 6


def in_query(dialect: Dialect, name: str) -> Document:
    described = describe("meta_v1.DeleteOptions").fields.get(name) or known.DESCRIPTIONS.get(name, "")
    type_ = "integer" if name in known.INTEGERS else "boolean" if name in known.BOOLEANS else "string"
    return _typed(dialect, type_, described, {"name": name, "in": "query"})


def in_path(dialect: Dialect, name: str, kind: str) -> Document:
    described = f"name of the {kind}" if name == "name" else known.PATH_DESCRIPTIONS[name]
    return _typed(dialect, "string", described, {"name": name, "in": "path", "required": True})


def _typed(dialect: Dialect, type_: str, described: str, rest: Document) -> Document:
    typed = {"uniqueItems": True, "type": type_}
    said = {"description": described} if described else {}
    return {**typed, **said, **rest} if dialect is Dialect.V2 else {**said, **rest, "schema": typed}


def share(paths: dict[str, Document]) -> dict[str, Document]:
    """Puts references in the place of the parameters of OpenAPI v2 that may be shared, and returns these by name."""
    shared: dict[str, Document] = {}
    for holder in _holders(paths):
        holder["parameters"] = [_reference(one, shared) for one in holder["parameters"]]
    return dict(sorted(shared.items()))


def inlined(paths: Mapping[str, Document], shared: Mapping[str, Document]) -> dict[str, Document]:
    """The paths without references to parameters; what they do not share with others is the same value."""
    return {path: _inlined(item, shared) for path, item in paths.items()}


def _inlined(value: Any, shared: Mapping[str, Document]) -> Any:
    if not shared or not isinstance(value, dict):
        return value
    return {
        key: [_meant(one, shared) for one in member] if key == "parameters" else _inlined(member, shared)
        for key, member in value.items()
    }


def _meant(parameter: Document, shared: Mapping[str, Document]) -> Document:
    return shared.get(str(parameter.get("$ref", "")).removeprefix("#/parameters/"), parameter)


def _holders(paths: Mapping[str, Document]) -> Iterator[Document]:
    for item in paths.values():
        for holder in (item, *(value for value in item.values() if isinstance(value, dict))):
            if "parameters" in holder:
                yield holder


def _reference(parameter: Document, shared: dict[str, Document]) -> Document:
    if not _may_be_shared(parameter):
        return parameter
    written = orjson.dumps(parameter)
    for plain, escaped in _AS_GO_WRITES:
        written = written.replace(plain, escaped)
    name = f"{parameter['name']}-{_hash(written)}"
    shared.setdefault(name, parameter)
    return {"$ref": f"#/parameters/{name}"}


def _may_be_shared(parameter: Document) -> bool:
    if "$ref" in parameter or parameter["name"] in _OF_ONE_PLACE:
        return False
    return parameter["in"] != "body" or str(parameter["schema"].get("$ref", "")).startswith(_GENERAL_BODIES)


def _hash(content: bytes) -> str:
    """FNV-1 of 64 bits, its first bytes."""
    found = _FNV_START
    for byte in content:
        found = (found * _FNV_PRIME % (1 << 64)) ^ byte
    return urlsafe_b64encode(found.to_bytes(8, "big")[:_HASHED_BYTES]).decode()
