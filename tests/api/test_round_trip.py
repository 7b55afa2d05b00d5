"""Documents, models and shapes agree: what one writes the others read, for every kind there is."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.api import codec, kinds
from pybernetes.api.kinds import KindInfo
from pybernetes.api.schema import Definition, definition, shape_of

SAMPLES: dict[str, Any] = {
    "string": "x",
    "boolean": True,
    "int32": 7,
    "int64": 2**40,
    "double": 1.5,
    "quantity": "1500m",
    "intstr": "http",
    "time": "2026-01-02T15:04:05Z",
    "microtime": "2026-01-02T15:04:05.000006Z",
    "bytes": "YQ==",
    "any": {"free": [1, None, {"form": True}]},
}


def sample(type_: str, inside: tuple[str, ...]) -> Any:
    if type_.startswith("[]"):
        return [sample(type_[2:], inside)]
    if type_.startswith("{}"):
        return {"key": sample(type_[2:], inside)}
    return full(definition(type_), inside) if "." in type_ else SAMPLES[type_]


def full(facts: Definition, inside: tuple[str, ...] = ()) -> dict[str, Any]:
    """A document with every field set, but for those that would hold their own kind again."""
    inside = (*inside, facts.id)
    return {name: sample(one.type, inside) for name, one in facts.fields.items() if one.struct not in inside}


@pytest.mark.parametrize("info", kinds.ALL, ids=lambda info: f"{info.module}.{info.kind}")
def test_every_field_of_every_kind_survives_shape_and_model(info: KindInfo) -> None:
    shape = shape_of(info.group, info.version, info.kind)
    document = full(shape.definition) | {"apiVersion": info.api_version, "kind": info.kind}
    reading = shape.read(document)
    assert reading.unknown == []
    model = codec.from_document(info.model, reading.document)
    assert codec.decode(info.model, codec.encode(model)) == model
    assert shape.read(codec.to_document(model)).document == reading.document


@pytest.mark.parametrize("info", kinds.ALL, ids=lambda info: f"{info.module}.{info.kind}")
def test_an_empty_object_reads_the_same_from_document_and_from_model(info: KindInfo) -> None:
    shape = shape_of(info.group, info.version, info.kind)
    empty = {"apiVersion": info.api_version, "kind": info.kind}
    assert shape.read(codec.to_document(info.model())).document == shape.read(empty).document
