"""What strategic merge patches ask of a type: how a field is merged, by which key a list's elements are told apart."""

from __future__ import annotations

from typing import NamedTuple

from pybernetes.api.patch.error import UnfitPatch
from pybernetes.api.schema import Definition, FieldFacts, definition

Facts = Definition | str
"""A struct, or what upstream says when it is to look up a field in what is none; `{}` stands for the field."""

_MAP = "merging an object in json but data type is not struct, instead is: map"
_RAW = 'unable to find api field in struct RawExtension for the json field "{}"'


class ListFacts(NamedTuple):
    merges: bool
    """Else the patch's list takes the place of the old one."""
    merge_key: str
    element: Facts


def field_of(facts: Facts, name: str) -> FieldFacts:
    """A field by its name, in whatever case. Raises UnfitPatch."""
    if isinstance(facts, str):
        raise UnfitPatch(facts.replace("{}", name))
    found = facts.fields.get(name)
    if found is not None:
        return found
    folded = name.casefold()
    for field in facts.fields.values():
        if field.name.casefold() == folded:
            return field
    raise UnfitPatch(f'unable to find api field in struct {facts.name} for the json field "{name}"')


def below(field: FieldFacts) -> Facts:
    """What stands in a field that holds an object."""
    return _MAP if field.is_map else _of(field)


def list_facts(facts: Facts, name: str) -> ListFacts:
    """Raises UnfitPatch."""
    field = field_of(facts, name)
    if not field.is_list and (field.omit or field.always):
        raise UnfitPatch("expected slice or array type, but got: struct")
    return ListFacts("merge" in field.strategies, field.merge_key, _of(field))


def _of(field: FieldFacts) -> Facts:
    return definition(field.struct) if field.struct else _RAW
