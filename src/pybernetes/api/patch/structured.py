"""Documents taken apart by the schema: which fields they have, how two differ, one laid over the other.

Structs and maps are granular unless the schema says atomic; lists are one value unless it says set or map.
Follows sigs.k8s.io/structured-merge-diff/typed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.api.patch.error import PatchError
from pybernetes.api.patch.field_set import EMPTY, LEAF, FieldSet, Step, field_step, key_step, value_step
from pybernetes.api.patch.ordering import ordered
from pybernetes.api.schema import Definition, FieldFacts, definition

Document = dict[str, Any]

# What stands for a key that an element leaves out.
_KEY_DEFAULTS = {"protocol": "TCP"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How a value is taken apart: as a struct or map, as a list of elements with identities, or not at all."""

    facts: Definition | None = None
    field: FieldFacts | None = None

    def child(self, name: str) -> Kind:
        if self.facts is not None:
            return _of_field(self.facts.fields.get(name))
        if self.field is not None and self.field.is_map:
            return _of_type(self.field.item)
        return ATOMIC

    def element(self) -> Kind:
        return _of_type(self.field.item) if self.field is not None else ATOMIC

    @property
    def is_map(self) -> bool:
        return self.facts is not None or (self.field is not None and self.field.is_map)

    @property
    def is_list(self) -> bool:
        return self.field is not None and self.field.is_list

    def step_of(self, element: Any) -> Step:
        assert self.field is not None
        if self.field.list_type == "set":
            return value_step(element)
        keys = {}
        for key in self.field.keys:
            value = element.get(key) if isinstance(element, dict) else None
            if value is None:
                value = _KEY_DEFAULTS.get(key)
            if value is None:
                raise PatchError(
                    f"associative list with keys has an element that omits key field {key!r} "
                    "(and doesn't have default value)".replace("'", '"', 2)
                )
            keys[key] = value
        return key_step(keys)


ATOMIC = Kind()


def kind_of(facts: Definition) -> Kind:
    return Kind(facts=facts)


def _of_field(field: FieldFacts | None) -> Kind:
    if field is None or field.map_type == "atomic":
        return ATOMIC
    if field.is_list:
        return Kind(field=field) if field.list_type in ("set", "map") else ATOMIC
    if field.is_map:
        return Kind(field=field)
    return _of_type(field.type)


def _of_type(type_: str) -> Kind:
    if "." not in type_ or type_.startswith(("[]", "{}")):
        return ATOMIC
    facts = definition(type_)
    return ATOMIC if facts.atomic else Kind(facts=facts)


def _children(value: Any, kind: Kind) -> list[tuple[Step, Any, Kind]] | None:
    """The parts of a value with the steps that lead to them; None when it is taken as one."""
    if kind.is_map and isinstance(value, dict):
        return [(field_step(name), item, kind.child(name)) for name, item in value.items() if item is not None]
    if kind.is_list and isinstance(value, list):
        element = kind.element()
        return [(kind.step_of(item), item, element) for item in value]
    return None


def fields_of(value: Any, kind: Kind) -> FieldSet:
    """Every leaf, every empty map or list, and every element of a list with identities."""
    children = _children(value, kind)
    if not children:
        return LEAF
    below: dict[Step, FieldSet] = {}
    for step, item, inner in children:
        found = fields_of(item, inner)
        below[step] = FieldSet(True, found.below) if kind.is_list else found
    return FieldSet(False, below)


# -- comparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Difference:
    added: FieldSet = EMPTY
    modified: FieldSet = EMPTY
    removed: FieldSet = EMPTY

    @property
    def set(self) -> FieldSet:
        return self.added | self.modified


NO_DIFFERENCE = Difference()


def compare(old: Any, new: Any, kind: Kind) -> Difference:
    """Assumes both are present and typed alike (a field that is a boolean in one is no number in the other)."""
    if old is new or old == new:
        return NO_DIFFERENCE
    here, there = _children(old, kind), _children(new, kind)
    if here is None or there is None or not (here or there):
        return Difference(modified=LEAF)
    before = {step: (item, inner) for step, item, inner in here}
    added: dict[Step, FieldSet] = {}
    modified: dict[Step, FieldSet] = {}
    removed: dict[Step, FieldSet] = {}
    for step, item, inner in there:
        if step not in before:
            added[step] = _whole(item, inner)
            continue
        found = compare(before.pop(step)[0], item, inner)
        if found is NO_DIFFERENCE:
            continue
        for into, part in ((added, found.added), (modified, found.modified), (removed, found.removed)):
            if part:
                into[step] = part
    for step, (item, inner) in before.items():
        removed[step] = _whole(item, inner)
    return Difference(FieldSet(False, added), FieldSet(False, modified), FieldSet(False, removed))


def _whole(value: Any, kind: Kind) -> FieldSet:
    """A value and all it consists of."""
    below = {step: _whole(item, inner) for step, item, inner in _children(value, kind) or ()}
    return FieldSet(True, below)


# -- merging ---------------------------------------------------------------------------------------------------------


def merge(live: Any, config: Any, kind: Kind) -> Any:
    """The live value with all that the configuration says laid over it."""
    if kind.is_map and isinstance(live, dict) and isinstance(config, dict):
        merged = dict(live)
        for name, item in config.items():
            merged[name] = merge(live[name], item, kind.child(name)) if live.get(name) is not None else item
        return merged
    if kind.is_list and isinstance(live, list) and isinstance(config, list):
        return _merge_lists(live, config, kind)
    return config


def _merge_lists(live: Sequence[Any], config: Sequence[Any], kind: Kind) -> list[Any]:
    element = kind.element()
    merged = {kind.step_of(item): item for item in live}
    seen: set[Step] = set()
    for item in config:
        step = kind.step_of(item)
        if step in seen:
            raise PatchError(f"duplicate entries for key [{step.partition(':')[2]}]")
        seen.add(step)
        merged[step] = merge(merged[step], item, element) if step in merged else item
    return ordered(list(merged.values()), config, live, kind.step_of)


# -- removing --------------------------------------------------------------------------------------------------------


def remove(value: Any, gone: FieldSet, kind: Kind) -> Any:
    """The value without the members of a set; a map or list that loses its last part goes too (None)."""
    if kind.is_map and isinstance(value, dict):
        return _removed_from_map(value, gone, kind)
    if kind.is_list and isinstance(value, list):
        kept = list(_kept(value, gone, kind.step_of, kind.element()))
        return kept if kept or not value else None
    return value


def _removed_from_map(value: Mapping[str, Any], gone: FieldSet, kind: Kind) -> Document | None:
    result: Document = {}
    for name, item in value.items():
        below = gone.below.get(field_step(name))
        if below is None:
            result[name] = item
        elif not below.member:
            left = remove(item, below, kind.child(name))
            if left is not None:
                result[name] = left
    return result if result or not value else None


def _kept(items: Sequence[Any], gone: FieldSet, step_of: Callable[[Any], Step], element: Kind) -> Iterable[Any]:
    for item in items:
        below = gone.below.get(step_of(item))
        if below is None:
            yield item
        elif not below.member:
            left = remove(item, below, element)
            if left is not None:
                yield left
