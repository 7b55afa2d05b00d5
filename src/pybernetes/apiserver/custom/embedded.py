"""Embedded resources: apiVersion, kind and metadata of objects inside a custom resource.

Follows pkg/apiserver/schema/objectmeta/validation.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from pybernetes.api.fields import FieldError, FieldPath, invalid, is_dns1035_label, is_path_segment, required
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.apiserver.custom.metadata import check_object_metadata

Schema = Mapping[str, Any]
Embedded = Callable[[Any, FieldPath], Iterator[FieldError]]
_UNNAMED = "fakename"


def compile_embedded(schema: Schema) -> Embedded | None:
    """None where nothing is embedded."""
    properties = {
        name: check for name, one in (schema.get("properties") or {}).items() if (check := compile_embedded(one))
    }
    others, items = schema.get("additionalProperties"), schema.get("items")
    rest = compile_embedded(others) if isinstance(others, Mapping) else None
    element = compile_embedded(items) if isinstance(items, Mapping) else None
    is_resource = bool(schema.get("x-kubernetes-embedded-resource"))
    if not (properties or rest or element or is_resource):
        return None

    def errors(value: Any, path: FieldPath) -> Iterator[FieldError]:
        if isinstance(value, dict):
            if is_resource:
                yield from check_resource(value, path)
            for name, one in value.items():
                if name in properties:
                    yield from properties[name](one, path.child(name))
                elif rest is not None:
                    yield from rest(one, path[name])
        elif isinstance(value, list) and element is not None:
            for index, one in enumerate(value):
                yield from element(one, path[index])

    return errors


def check_resource(resource: Mapping[str, Any], path: FieldPath) -> Iterator[FieldError]:
    for name in ("apiVersion", "kind"):
        if name not in resource:
            yield required(path.child(name))
    if "apiVersion" in resource:
        yield from _text(resource["apiVersion"], path.apiVersion, _api_version_messages)
    if "kind" in resource:
        yield from _text(resource["kind"], path.kind, kind_messages)
    if "metadata" in resource:
        metadata = msgspec.convert(resource["metadata"], ObjectMeta)
        if not metadata.name:
            metadata = msgspec.structs.replace(metadata, name=_UNNAMED)
        yield from check_object_metadata(
            metadata, is_path_segment, namespaced=bool(metadata.namespace), path=path.metadata
        )


def _text(value: Any, path: FieldPath, messages: Callable[[str], list[str]]) -> Iterator[FieldError]:
    if not isinstance(value, str):
        yield invalid(path, value, "must be a string")
    elif not value:
        yield invalid(path, value, "must not be empty")
    else:
        yield from (invalid(path, value, message) for message in messages(value))


def _api_version_messages(text: str) -> list[str]:
    return [f"unexpected GroupVersion string: {text}"] if text.count("/") > 1 else []


def kind_messages(text: str) -> list[str]:
    found = is_dns1035_label(text.lower())
    return [f"may have mixed case, but should otherwise match: {','.join(found)}"] if found else []
