"""What an update of a definition may leave wrong, because it was so before.

Follows the validation options in pkg/apis/apiextensions/validation of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.api.fields import FieldPath
from pybernetes.apiserver.custom.definition import ConditionType, is_true, schema_of
from pybernetes.apiserver.custom.structure import check_structural, children, unsupported
from pybernetes.apiserver.resource import Document

Schema = Mapping[str, Any]

OPENAPI_TYPES = ("array", "boolean", "integer", "number", "object", "string")


@dataclass(frozen=True, slots=True)
class Leniency:
    missing_schemas: bool = False
    odd_types: bool = False
    unstructured: bool = False
    composite_sets: bool = False
    loose_keys: bool = False
    review_versions: bool = False
    authorities: bool = True
    """A caBundle that is none: until the definition is established."""
    many_selectable: frozenset[str] = frozenset()
    """Versions that had more selectable fields than there may be, and have the same now."""
    unchanged: frozenset[str] = frozenset()
    """Versions with the schema they had."""


STRICT = Leniency()


def leniency_of(new: Document, old: Document) -> Leniency:
    before = {one["name"]: one for one in old["spec"]["versions"] or ()}
    schemas = [schema for one in before.values() if (schema := schema_of(one)) is not None]
    same = [one for one in new["spec"]["versions"] or () if one["name"] in before]
    return Leniency(
        missing_schemas=len(schemas) < len(before),
        odd_types=_any(schemas, lambda one: one.get("type", "") not in ("", *OPENAPI_TYPES)),
        unstructured=any(unsupported(one) or check_structural(one, FieldPath()) for one in schemas),
        composite_sets=_any(schemas, _has_composite_set),
        loose_keys=_any(schemas, _has_loose_keys),
        review_versions=not _understood(old["spec"].get("conversion") or {}),
        authorities=not is_true(old, ConditionType.ESTABLISHED),
        many_selectable=frozenset(
            one["name"]
            for one in same
            if len(one.get("selectableFields") or ()) > MOST_SELECTABLE
            and one.get("selectableFields") == before[one["name"]].get("selectableFields")
        ),
        unchanged=frozenset(one["name"] for one in same if schema_of(one) == schema_of(before[one["name"]])),
    )


MOST_SELECTABLE = 8
REVIEW_VERSIONS = ("v1", "v1beta1")


def _understood(conversion: Document) -> bool:
    versions = (conversion.get("webhook") or {}).get("conversionReviewVersions") or ()
    return not versions or any(one in REVIEW_VERSIONS for one in versions)


def _any(schemas: list[Document], test: Callable[[Schema], bool]) -> bool:
    return any(test(one) for schema in schemas for one in every(schema))


def every(schema: Schema) -> Iterator[Schema]:
    """A schema and all below it."""
    yield schema
    for one in children(schema):
        yield from every(one)


def _items(schema: Schema) -> Schema | None:
    items = schema.get("items")
    return items if isinstance(items, Mapping) else None


def _has_composite_set(schema: Schema) -> bool:
    items = _items(schema)
    if schema.get("x-kubernetes-list-type") != "set" or items is None:
        return False
    if items.get("type") == "array":
        return items.get("x-kubernetes-list-type") not in (None, "atomic")
    return items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic"


def _has_loose_keys(schema: Schema) -> bool:
    items, type_ = _items(schema), schema.get("x-kubernetes-list-type")
    if items is None or type_ not in ("set", "map"):
        return False
    fields = items.get("properties") or {}
    keys = [
        (key, fields[key]) for key in schema.get("x-kubernetes-list-map-keys") or () if type_ == "map" and key in fields
    ]
    return bool(items.get("nullable")) or any(
        one.get("nullable") or (key not in (items.get("required") or ()) and one.get("default") is None)
        for key, one in keys
    )
