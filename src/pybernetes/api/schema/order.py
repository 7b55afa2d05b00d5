"""The order in which upstream writes an object's fields: that of their structs, and of the letters in maps."""

from __future__ import annotations

from typing import Any

from pybernetes.api.schema.facts import Definition, FieldFacts, definition

Document = dict[str, Any]


def in_field_order(document: Document, facts: Definition) -> Document:
    """A copy; what the struct has not comes last, in the order of the letters."""
    known = {
        name: _ordered(document[name], field, field.type) for name, field in facts.fields.items() if name in document
    }
    for name in sorted(document.keys() - known.keys()):
        known[name] = sorted_deeply(document[name])
    return known


def sorted_deeply(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sorted_deeply(value[name]) for name in sorted(value)}
    return [sorted_deeply(one) for one in value] if isinstance(value, list) else value


def _ordered(value: Any, field: FieldFacts, type_: str) -> Any:
    if isinstance(value, list) and type_.startswith("[]"):
        return [_ordered(one, field, type_[2:]) for one in value]
    if isinstance(value, dict):
        if type_.startswith("{}"):
            return {name: _ordered(value[name], field, type_[2:]) for name in sorted(value)}
        if "." in type_ and not type_.startswith("[]"):
            return in_field_order(value, definition(type_))
    return sorted_deeply(value)
