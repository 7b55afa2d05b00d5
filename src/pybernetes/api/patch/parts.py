"""How values are taken apart: kinds, compiled from the schema.

Structs and maps are granular unless the schema says atomic; lists are one value unless it says set or map.

Guarantees  The field sets that a kind makes are shared between values of one form and never changed.

Follows sigs.k8s.io/structured-merge-diff/typed and schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from pybernetes.api.patch.error import PatchError
from pybernetes.api.patch.field_set import EMPTY, LEAF, SELF, Fields, Step, field_step, key_step, ordered, value_step
from pybernetes.api.schema import Definition, FieldFacts, definition

MOST_REMEMBERED = 4096
"""Forms (of a map, of an element's keys) that a kind remembers before it forgets them all."""
_ABSENT: Any = object()


class Kind:
    """How a value is taken apart. This one: not at all, whatever it is."""

    __slots__ = ()

    def child(self, name: str) -> Kind:
        return ANYTHING

    def whole(self, value: Any) -> Fields:
        """The node of a value that was not there before: it and all that it consists of."""
        return LEAF

    def owned(self, value: Any) -> Fields | None:
        """The node of a value that somebody states; None when stating it says nothing."""
        return LEAF


class Scalar(Kind):
    """``type`` is the facts' word: `string`, `int32`, `quantity` …"""

    __slots__ = ("type",)

    def __init__(self, type_: str) -> None:
        self.type = type_


class Atomic(Kind):
    """One value, whose inside is known all the same."""

    __slots__ = ("inside",)

    def __init__(self, inside: Kind) -> None:
        self.inside = inside


Form = tuple[Fields, tuple[tuple[Step, str, Kind], ...]]
"""The node of all maps with certain names, and the parts of it that depend on what is below."""


class MapKind(Kind):
    """A map whose values are all of one kind, or a struct (``fields``)."""

    __slots__ = ("_children", "_element", "_fields", "_forms", "_item", "_owned_forms")
    takes_anything = False
    """A value that is no map is right, too."""

    def __init__(self, item: Callable[[], Kind], fields: Mapping[str, FieldFacts] | None = None) -> None:
        self._item = item
        self._fields = fields
        self._children: dict[str, Kind] = {}
        self._forms: dict[tuple[str, ...], Form] = {}
        self._owned_forms: dict[tuple[str, ...], Form] = {}
        self._element: Kind | None = None

    def declares(self, name: str) -> bool:
        """A field of a struct, not a key of a map."""
        return self._fields is not None and name in self._fields

    @property
    def is_struct(self) -> bool:
        return self._fields is not None

    def child(self, name: str) -> Kind:
        if self._fields is None:
            if self._element is None:
                self._element = self._item()
            return self._element
        found = self._children.get(name)
        if found is None:
            found = self._children[name] = _of_field(self._fields.get(name))
        return found

    def whole(self, value: Any) -> Fields:
        if value.__class__ is not dict or not value:
            return LEAF
        names = tuple(value)
        form = self._forms.get(names) or self._form(names)
        node, nested = form
        if nested:
            node = node.copy()
            for step, name, kind in nested:
                node[step] = kind.whole(value[name])
        return node

    def _form(self, names: tuple[str, ...]) -> Form:
        form = self._form_of(names, {SELF: LEAF})
        if len(self._forms) >= MOST_REMEMBERED:
            self._forms.clear()
        self._forms[names] = form
        return form

    def _form_of(self, names: tuple[str, ...], node: Fields) -> Form:
        kinds = [(field_step(name), name, self.child(name)) for name in names]
        node = ordered({**node, **{step: LEAF for step, _, _ in kinds}})
        return node, tuple(row for row in kinds if isinstance(row[2], MapKind | ListKind))

    def owned(self, value: Any) -> Fields | None:
        if value.__class__ is not dict:
            return None if value is None else LEAF
        names = tuple(value)
        form = self._owned_forms.get(names)
        if form is None:
            if len(self._owned_forms) >= MOST_REMEMBERED:
                self._owned_forms.clear()
            form = self._owned_forms[names] = self._form_of(names, EMPTY)
        node, nested = form
        if nested:
            node = node.copy()
            for step, name, kind in nested:
                below = self._owned_below(name, value[name], kind)
                if below is None:
                    del node[step]
                else:
                    node[step] = below
        return node or None

    def _owned_below(self, name: str, item: Any, kind: Kind) -> Fields | None:
        node = kind.owned(item)
        if item is None or item == {} or not self.declares(name):
            return {SELF: LEAF, **node} if node and SELF not in node else node or LEAF
        return node


class ListKind(Kind):
    """A list whose elements have identities: by some of their fields, or (without keys) by their values."""

    __slots__ = ("_defaults", "_element", "_item", "_steps", "keys")

    def __init__(self, item: Callable[[], Kind], keys: tuple[str, ...], defaults: tuple[Any, ...]) -> None:
        self._item = item
        self.keys = keys
        self._defaults = defaults
        self._steps: dict[Any, Step] = {}
        self._element: Kind | None = None

    @property
    def element(self) -> Kind:
        if self._element is None:
            self._element = self._item()
        return self._element

    def step_of(self, element: Any) -> Step:
        """Raises PatchError for what can be no element."""
        if not self.keys:
            identity = element
            if element is None or isinstance(element, list | dict):
                raise PatchError(_NO_SET_ITEM[type(element)])
        elif isinstance(element, dict):
            identity = tuple([element.get(key, _ABSENT) for key in self.keys])
        else:
            what = "a null element" if element is None else "non-map elements"
            raise PatchError(f"associative list with keys may not have {what}")
        try:
            step = self._steps.get((identity.__class__, identity))
        except TypeError:
            return self._named(identity)
        if step is None:
            step = self._named(identity)
            if len(self._steps) >= MOST_REMEMBERED:
                self._steps.clear()
            self._steps[identity.__class__, identity] = step
        return step

    def _named(self, identity: Any) -> Step:
        if not self.keys:
            return value_step(identity)
        stated = zip(self.keys, identity, self._defaults, strict=True)
        values = {
            key: default if value is _ABSENT else value
            for key, value, default in stated
            if value is not _ABSENT or default is not None
        }
        if not values:
            keys = " ".join(f'"{key}"' for key in self.keys)
            raise PatchError(
                f"associative list with keys has an element that omits all key fields [{keys}] "
                "(and doesn't have default values for any key fields)"
            )
        return key_step(values)

    def whole(self, value: Any) -> Fields:
        if value.__class__ is not list or not value:
            return LEAF
        if len(value) == 1:
            return {SELF: LEAF, self.step_of(value[0]): self.element.whole(value[0])}
        return ordered({SELF: LEAF, **self._elements(value, self.element.whole)})

    def owned(self, value: Any) -> Fields | None:
        if value.__class__ is not list or not value:
            return None
        return ordered(self._elements(value, self._owned_element))

    def _owned_element(self, element: Any) -> Fields:
        node = self.element.owned(element)
        return {SELF: LEAF, **node} if node and SELF not in node else node or LEAF

    def _elements(self, value: Sequence[Any], node_of: Callable[[Any], Fields]) -> Fields:
        """Elements that are there twice are members as they are."""
        found: Fields = {}
        for item in value:
            step = self.step_of(item)
            found[step] = LEAF if step in found else node_of(item)
        return found


_NO_SET_ITEM: Mapping[type, str] = {
    dict: "associative list without keys has an element that's a map type",
    list: "not supported: associative list with lists as elements",
    type(None): "associative list without keys has an element that's an explicit null",
}
ANYTHING = Kind()
_ZERO = {"string": "", "int32": 0, "int64": 0, "boolean": False, "quantity": ""}
_DEFAULT_KEYS = {"protocol": "TCP"}


@cache
def _named(id: str) -> Kind:
    return kind_of(definition(id))


def kind_of(facts: Definition) -> Kind:
    """Compiled anew: keep it."""
    inside = MapKind(lambda: ANYTHING, facts.fields)
    return Atomic(inside) if facts.atomic else inside


def _of_field(field: FieldFacts | None) -> Kind:
    if field is None:
        return ANYTHING
    if field.is_list:
        keys = field.keys if field.list_type == "map" else ()
        inside: Kind = ListKind(lambda: _of_type(field.item), keys, _defaults(field, keys))
        return inside if field.list_type in ("set", "map") else Atomic(inside)
    inside = MapKind(lambda: _of_type(field.item)) if field.is_map else _of_type(field.type)
    if field.map_type == "granular" and isinstance(inside, Atomic):
        return inside.inside
    return Atomic(inside) if field.map_type == "atomic" and not isinstance(inside, Atomic) else inside


def _of_type(type_: str) -> Kind:
    if type_.startswith("[]"):
        return Atomic(ListKind(lambda: _of_type(type_[2:]), (), ()))
    if type_.startswith("{}"):
        return MapKind(lambda: _of_type(type_[2:]))
    if "." in type_:
        return _named(type_)
    return ANYTHING if type_ == "any" else Scalar(type_)


def _defaults(field: FieldFacts, keys: Sequence[str]) -> tuple[Any, ...]:
    """What stands for a key that an element leaves out: the zero, where the field is always written."""
    element = definition(field.struct).fields if keys and field.struct else {}
    return tuple(_default(element.get(key), field) for key in keys)


def _default(key: FieldFacts | None, field: FieldFacts) -> Any:
    if key is None:
        return None
    if key.name in _DEFAULT_KEYS:
        return _DEFAULT_KEYS[key.name]
    if key.always or field.struct.endswith(".LocalObjectReference"):
        return _ZERO.get(key.type)
    return None
