"""Bodies as documents, for those who tell of them."""

from __future__ import annotations

from typing import Any

import orjson

from pybernetes.apiserver.resource import Document


def document_of(content_type: str, body: bytes) -> Any:
    """None for what is no document, and for what cannot be read."""
    form = content_type.partition(";")[0]
    if form == "application/vnd.kubernetes.protobuf":
        from pybernetes.apiserver.protobuf import ProtobufError, decode_body

        try:
            return decode_body(body)
        except ProtobufError:
            return None
    if form not in ("application/json", "application/yaml"):
        return None
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        from pybernetes.apiserver.yaml_body import UnreadableYaml, read_yaml

        try:
            return read_yaml(body)
        except UnreadableYaml:
            return None


def without_managers(document: Document) -> Document:
    """Without managedFields: of an object, of each item of a list, of each row's object of a table."""
    shown = _without(document)
    if isinstance(shown.get("items"), list):
        shown["items"] = [_without(item) for item in shown["items"]]
    if isinstance(shown.get("rows"), list):
        shown["rows"] = [
            {**row, "object": _without(row["object"])} if row.get("object") else row for row in shown["rows"]
        ]
    return shown


def _without(document: Document) -> Document:
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return {**document}
    return {**document, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}
