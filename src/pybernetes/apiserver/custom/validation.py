"""What custom resources must be: their metadata, their schema's demands, lists without repetition, rules, scale.

Compiled once per version. Guarantees  On update what has not changed may stay wrong (ratcheting).
Follows pkg/registry/customresource/strategy.go and validator.go of apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from pybernetes.api.fields import ErrorType, FieldError, FieldPath, invalid, is_dns_subdomain
from pybernetes.apiserver.custom.embedded import compile_embedded
from pybernetes.apiserver.custom.lists import compile_uniqueness
from pybernetes.apiserver.custom.metadata import (
    check_object_metadata,
    check_object_metadata_update,
    metadata_of,
)
from pybernetes.apiserver.custom.places import NOWHERE, UNCORRELATED
from pybernetes.apiserver.custom.scales import ScalePaths
from pybernetes.apiserver.custom.structure import children
from pybernetes.apiserver.custom.values import compile_values
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.metadata import check_any_update

Schema = Mapping[str, Any]

_BLOCKING = frozenset(
    (ErrorType.NOT_SUPPORTED, ErrorType.REQUIRED, ErrorType.TOO_LONG, ErrorType.TOO_MANY, ErrorType.TYPE_INVALID)
)
_UNCHECKED = "some validation rules were not checked because the object was invalid; "
_UNCHECKED += "correct the existing errors to complete validation"
_ROOT = FieldPath()


class CustomValidation:
    def __init__(self, schema: Schema | None, *, namespaced: bool, scale: ScalePaths | None) -> None:
        self._schema: Schema = schema or {}
        self._namespaced = namespaced
        self._scale = scale

    def of_new(self, new: Document) -> Iterator[FieldError]:
        found = [
            *check_object_metadata(metadata_of(new), is_dns_subdomain, namespaced=self._namespaced),
            *self._values(new, UNCORRELATED),
            *self._of_scale(new, status_only=False),
            *self._of_embedded(new),
            *self._repeated(new),
        ]
        yield from found
        yield from self._of_rules(new, None, found)

    def of_update(self, new: Document, old: Document) -> Iterator[FieldError]:
        metadata, before = metadata_of(new), metadata_of(old)
        yield from check_any_update(metadata, before)
        found = [
            *check_object_metadata_update(metadata, before),
            *self._values(new, old),
            *self._of_scale(new, status_only=False),
            *self._of_embedded(new),
        ]
        if not any(True for _ in self._repeated(old)):
            found += self._repeated(new)
        yield from found
        yield from self._of_rules(new, old, found)

    def of_status_update(self, new: Document, old: Document) -> Iterator[FieldError]:
        metadata, before = metadata_of(new), metadata_of(old)
        yield from check_any_update(metadata, before)
        found = [*check_object_metadata_update(metadata, before)]
        if "status" in new and self._status_values is not None:
            found += self._status_values(new["status"], old.get("status", UNCORRELATED))
        found += self._of_scale(new, status_only=True)
        repeated = list(self._repeated(new))
        if repeated and not any(True for _ in self._repeated(old)):
            found += repeated
        yield from found
        yield from self._of_rules(new, old, found)

    @cached_property
    def _values(self) -> Any:
        return compile_values(self._schema)

    @cached_property
    def _status_values(self) -> Any:
        status = (self._schema.get("properties") or {}).get("status")
        return None if status is None else compile_values(status, "status")

    def _of_scale(self, new: Document, *, status_only: bool) -> Iterator[FieldError]:
        return self._scale.problems(new, status_only=status_only) if self._scale is not None else iter(())

    @cached_property
    def _embedded(self) -> Any:
        return compile_embedded(self._schema)

    def _of_embedded(self, new: Document) -> Iterator[FieldError]:
        return self._embedded(new, _ROOT) if self._embedded is not None else iter(())

    @cached_property
    def _uniqueness(self) -> Any:
        return compile_uniqueness(self._schema)

    def _repeated(self, document: Document) -> Iterator[FieldError]:
        return self._uniqueness(document, "") if self._uniqueness is not None else iter(())

    @cached_property
    def _rules(self) -> Any:
        """The library is loaded where there is a rule."""
        if not has_rules(self._schema):
            return None
        from pybernetes.apiserver.cel.schema_rules import SchemaRules

        return SchemaRules(self._schema)

    def _of_rules(self, new: Document, old: Document | None, found: list[FieldError]) -> Iterator[FieldError]:
        if self._rules is None:
            return
        if any(error.type in _BLOCKING for error in found):
            yield invalid(NOWHERE, None, _UNCHECKED)
            return
        yield from self._rules.validate(new, old, _ROOT)


def has_rules(schema: Schema) -> bool:
    return bool(schema.get("x-kubernetes-validations")) or any(map(has_rules, children(schema)))
