"""Columns of `kubectl get` for custom resources.

Follows pkg/registry/customresource/tableconvertor of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from pybernetes.apiserver.columns import UNKNOWN, since
from pybernetes.apiserver.custom.jsonpath import JsonPathError, compile_path
from pybernetes.apiserver.custom.numbers import shown
from pybernetes.apiserver.openapi.descriptions import describe
from pybernetes.apiserver.resource import Column, Document

_AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def columns_of(declared: Sequence[Mapping[str, Any]]) -> Sequence[Column]:
    """Only the name, where one of the paths is no path."""
    texts = describe("meta_v1.ObjectMeta").fields
    name = Column("Name", _name, format="name", description=texts.get("name", ""))
    created = texts.get("creationTimestamp", "").replace(" Populated by the system.", "\n\nPopulated by the system.")
    rows = declared or [{**_AGE, "description": created}]
    try:
        return (name, *_columns(rows))
    except JsonPathError:
        return (name,)


def _columns(declared: Sequence[Mapping[str, Any]]) -> Iterator[Column]:
    for one in declared:
        path = one["jsonPath"]
        text = one.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
        yield Column(
            one["name"], _cell(one["type"], path), one["type"], one.get("format", ""), one.get("priority", 0), text
        )


def _name(document: Document, now: datetime) -> str:
    name: str = document["metadata"]["name"]
    return name


def _cell(type_: str, text: str) -> Callable[[Document, datetime], Any]:
    path, show = compile_path(text), _SHOWN[type_]

    def extract(document: Document, now: datetime) -> Any:
        try:
            found = path(document)
        except JsonPathError:
            return None
        return show(found[0], now) if found else None

    return extract


def _text(value: Any, now: datetime) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return "<no value>"
    if isinstance(value, float):
        return shown(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _integer(value: Any, now: datetime) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(value: Any, now: datetime) -> float | int | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any, now: datetime) -> bool | None:
    return value if isinstance(value, bool) else None


def _date(value: Any, now: datetime) -> str | None:
    if not isinstance(value, str):
        return None
    if value in ("", "null"):
        return UNKNOWN
    try:
        return since(value, now)
    except (ValueError, TypeError):
        return "<invalid>"


_SHOWN: Mapping[str, Callable[[Any, datetime], Any]] = {
    "string": _text,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
}
