"""JSON paths of rules and selectable fields: `.spec.names['a.b']`, checked against a schema.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go (`ValidFieldPath`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pybernetes.api.fields import FieldPath

_TOKEN = re.compile(r"'(?:[^\\']|\\.)*'|[.\[\]]|[^.\[\]]+")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "'": "'", "\\": "\\"}


class FieldPathError(ValueError):
    pass


def resolve(path: str, schema: Mapping[str, Any], *, brackets: bool = True) -> tuple[FieldPath, Mapping[str, Any]]:
    """The path in an object and the schema that it leads to; raises ``FieldPathError``."""
    tokens = iter(_TOKEN.findall(path))
    found = FieldPath()
    for token in tokens:
        if token == "[" and brackets:
            name = _unquoted(_next(tokens))
            found, schema = _step(found, schema, name)
            closing = _next(tokens)
            if closing != "]":
                raise FieldPathError(f"expected ] but got {closing}")
        elif token == ".":
            found, schema = _step(found, schema, _next(tokens))
        elif token == "[":
            raise FieldPathError("array notation is not allowed")
        else:
            raise FieldPathError(f"expected [ or . but got: {token}")
    return found, schema


def _step(path: FieldPath, schema: Mapping[str, Any], name: str) -> tuple[FieldPath, Mapping[str, Any]]:
    properties, values = schema.get("properties"), schema.get("additionalProperties")
    if properties is not None:
        if name not in properties:
            raise FieldPathError("does not refer to a valid field")
        return path.child(name), properties[name]
    if not isinstance(values, Mapping):
        raise FieldPathError("does not refer to a valid field")
    return path[name], values


def _next(tokens: Any) -> str:
    token: str | None = next(tokens, None)
    if token is None:
        raise FieldPathError("unexpected end of JSON path")
    return token


def _unquoted(token: str) -> str:
    if len(token) < 2 or not (token.startswith("'") and token.endswith("'")):
        raise FieldPathError(f"expected single quoted string but got {token}")

    def unescaped(found: re.Match[str]) -> str:
        if found[1] not in _ESCAPES:
            raise FieldPathError(f"invalid string literal: invalid escape char {found[0]}")
        return _ESCAPES[found[1]]

    return re.sub(r"\\(.)", unescaped, token[1:-1])
