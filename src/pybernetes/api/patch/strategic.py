"""Strategic merge patches: merge patches that know which lists are maps by a key, which are sets, which are one value.

Directives: `$patch: replace|delete|merge` in a map or a list's element, `$retainKeys`, `$setElementOrder/<list>`,
`$deleteFromPrimitiveList/<list>`.

Guarantees  Elements that the patch does not name keep their relative order; new elements come where upstream puts them.
Follows k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from pybernetes.api.patch.checking import go_text, go_type
from pybernetes.api.patch.error import BadPatch, PatchError, UnfitPatch
from pybernetes.api.patch.ordering import ordered
from pybernetes.api.schema import Definition, FieldFacts, Shape, definition

Document = dict[str, Any]

DIRECTIVE = "$patch"
RETAIN = "$retainKeys"
ORDER = "$setElementOrder/"
DELETE_PRIMITIVES = "$deleteFromPrimitiveList/"


def apply(document: Document, patch: Document, shape: Shape) -> Document:
    """Raises PatchError."""
    return _merge_map(document, patch, shape.definition)


# -- maps ------------------------------------------------------------------------------------------------------------


def _merge_map(old: Document, patch: Document, facts: Definition | None) -> Document:
    directive = patch.get(DIRECTIVE)
    if directive == "replace":
        return {key: value for key, value in patch.items() if key != DIRECTIVE}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise UnfitPatch(f"unknown patch type: {go_text(directive)} in map: {go_text(patch)}")
    if "$" not in "".join(patch):
        new = old.copy()
        for key, value in patch.items():
            _merge_field(new, key, value, facts.fields.get(key) if facts else None)
        return new
    new = _retained(old, patch)
    for key, value in patch.items():
        if key.startswith(DELETE_PRIMITIVES):
            _delete_primitives(new, key.removeprefix(DELETE_PRIMITIVES), value)
    for key, value in patch.items():
        if not _is_directive(key):
            _merge_field(new, key, value, _field(facts, key))
    for key, value in patch.items():
        if key.startswith(ORDER):
            name = key.removeprefix(ORDER)
            _order(new, name, value, old.get(name), _field(facts, name))
    return new


def _is_directive(key: str) -> bool:
    return key in (DIRECTIVE, RETAIN) or key.startswith((ORDER, DELETE_PRIMITIVES))


def _field(facts: Definition | None, name: str) -> FieldFacts | None:
    return facts.fields.get(name) if facts else None


def _retained(old: Document, patch: Document) -> Document:
    """A copy of the old map, with only the keys that the patch lets stand."""
    keys = patch.get(RETAIN)
    if keys is None:
        return dict(old)
    if not isinstance(keys, list):
        raise BadPatch("invalid patch format of retainKeys")
    if any(key not in keys for key, value in patch.items() if value is not None and not _is_directive(key)):
        raise BadPatch("invalid patch format of retainKeys")
    return {key: value for key, value in old.items() if key in keys}


def _merge_field(new: Document, name: str, value: Any, field: FieldFacts | None) -> None:
    if value is None:
        new.pop(name, None)
        return
    old = new.get(name)
    if isinstance(value, dict):
        if isinstance(old, dict) and not (field and "replace" in field.strategies):
            new[name] = _merge_map(old, value, _below(field))
        else:
            new[name] = _fresh(value)
    elif isinstance(value, list):
        merges = field is not None and "merge" in field.strategies
        if field is not None and merges and isinstance(old, list):
            new[name] = _merge_list(old, value, field)
        else:
            new[name] = _fresh(value)
    else:
        new[name] = value


def _below(field: FieldFacts | None) -> Definition | None:
    """The definition of a map's values; None for maps of anything, which are merged key by key."""
    if field is None or not field.struct or field.is_map or field.is_list:
        return None
    return definition(field.struct)


def _fresh(value: Any) -> Any:
    """What a patch adds where there was nothing: without its directives and nulls."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return {}
        return {key: _fresh(item) for key, item in value.items() if item is not None and not _is_directive(key)}
    if isinstance(value, list):
        return [_fresh(item) for item in value if not (isinstance(item, dict) and _drops(item))]
    return value


def _drops(element: Document) -> bool:
    """The element is only a directive to the list."""
    return element.get(DIRECTIVE) == "delete" or (DIRECTIVE in element and len(element) == 1)


# -- lists -----------------------------------------------------------------------------------------------------------


def _merge_list(old: list[Any], patch: list[Any], field: FieldFacts) -> list[Any]:
    if not any(isinstance(item, dict) for item in (*old, *patch)):
        if any(isinstance(item, list) for item in (*old, *patch)):
            raise PatchError("lists of lists are not supported")
        merged = list(dict.fromkeys((*old, *patch)))
        return ordered(merged, patch, old, _itself)
    if not field.merge_key:
        raise UnfitPatch(f"cannot merge lists without merge key for {field.struct}")
    return _merge_maps(old, patch, field)


def _merge_maps(old: list[Any], patch: list[Any], field: FieldFacts) -> list[Any]:
    key_of = _by_key(field)
    merged = list(old)
    ordinary: list[Any] = []
    replaces = False
    for item in patch:
        if not isinstance(item, dict):
            raise UnfitPatch(f"list element types are not identical: [{go_text(old)} {go_text(patch)}]")
        match item.get(DIRECTIVE):
            case None | "merge":
                ordinary.append(item)
            case "replace":
                replaces = True
                rest = {name: value for name, value in item.items() if name != DIRECTIVE}
                ordinary += [rest] if rest else []
            case "delete":
                gone = key_of(item)
                merged = [one for one in merged if key_of(one) != gone]
            case unknown:
                raise UnfitPatch(f"unknown patch type: {go_text(unknown)} in map: {go_text(item)}")
    if replaces:
        return [_fresh(item) for item in ordinary]
    facts = definition(field.struct) if field.struct else None
    keys = [key_of(one) for one in merged]
    for item in ordinary:
        wanted = key_of(item)
        if wanted in keys:
            index = keys.index(wanted)
            merged[index] = _merge_map(merged[index], item, facts)
        else:
            merged.append(_fresh(item))
            keys.append(wanted)
    if len(merged) == 1:
        return merged
    return ordered(merged, ordinary, old, key_of)


def _by_key(field: FieldFacts) -> Callable[[Any], Hashable]:
    def key_of(item: Any) -> Hashable:
        if not isinstance(item, dict) or field.merge_key not in item:
            raise UnfitPatch(f"map: {go_text(item)} does not contain declared merge key: {field.merge_key}")
        key = item[field.merge_key]
        if not isinstance(key, str) and not isinstance(key, Hashable):
            raise UnfitPatch(f"map: {go_text(item)} has no comparable merge key: {field.merge_key}")
        return key

    return key_of


def _itself(item: Any) -> Hashable:
    value: Hashable = item
    return value


def _delete_primitives(new: Document, name: str, gone: Any) -> None:
    old = new.get(name)
    if not isinstance(gone, list):
        raise BadPatch("invalid patch format of primitive list")
    if isinstance(old, list):
        new[name] = [item for item in old if item not in gone]


# -- order -----------------------------------------------------------------------------------------------------------


def _order(new: Document, name: str, order: Any, old: Any, field: FieldFacts | None) -> None:
    """Puts a list into the order that the client wants, with what only the server has in between."""
    items = new.get(name)
    if not isinstance(order, list):
        raise UnfitPatch(f"expected a []interface {{}}, but received a {go_type(order)}")
    if isinstance(items, list) and field is not None and "merge" in field.strategies:
        of_maps = any(isinstance(item, dict) for item in items)
        key_of = _by_key(field) if of_maps else _itself
        new[name] = ordered(items, order, old if isinstance(old, list) else [], key_of)
