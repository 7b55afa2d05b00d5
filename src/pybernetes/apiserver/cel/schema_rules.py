"""x-kubernetes-validations of custom resources: rules on any node of a schema, over the object and the one before it.

``SchemaRules(schema).validate(new, old, at)`` judges an object; ``check(schema, at)`` judges the rules themselves when
a definition is written. Nothing is compiled before the first object is judged.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pybernetes.api.fields import FieldError, FieldPath

if TYPE_CHECKING:
    from pybernetes.apiserver.cel.schema_node import SchemaNode

__all__ = ["SchemaRules", "check", "has_rules"]

Schema = Mapping[str, Any]
RULES = "x-kubernetes-validations"
RUNTIME_BUDGET = 10_000_000
"""What all rules of one object may cost together."""


def check(schema: Schema, at: FieldPath) -> Iterable[FieldError]:
    """What is wrong with the rules in ``schema``, the whole schema of a version."""
    if not has_rules(schema):
        return ()
    from pybernetes.apiserver.cel.schema_checking import check_rules

    return check_rules(schema, at)


def has_rules(schema: Schema) -> bool:
    return bool(schema.get(RULES)) or any(map(has_rules, _below(schema)))


def _below(schema: Schema) -> Iterator[Schema]:
    yield from (schema.get("properties") or {}).values()
    yield from (one for key in ("items", "additionalProperties") if isinstance(one := schema.get(key), Mapping))
    yield from schema.get("allOf") or ()


class SchemaRules:
    """The rules of one schema; a value with no state but what it has compiled.

    Guarantees  ``new`` and ``old`` are only read. A rule that was not broken by the change (same part of the object
    as before, and no `oldSelf`) does not refuse an update; it is told to ``warn``.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._node: SchemaNode | None = None
        self.present = has_rules(schema)

    def validate(
        self, new: Any, old: Any | None, at: FieldPath, *, warnings: list[str] | None = None
    ) -> Iterable[FieldError]:
        if not self.present:
            return ()
        from pybernetes.apiserver.cel.schema_node import Budget, SchemaNode

        if self._node is None:
            self._node = SchemaNode.of(self._schema, self._schema, root=True)
        if self._node is None:
            return ()
        errors: list[FieldError] = []
        budget = Budget(RUNTIME_BUDGET, errors, warnings if warnings is not None else [])
        self._node.validate(new, old, at, budget, ratcheted=False)
        return errors
