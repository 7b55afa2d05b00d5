"""Lists in strategic merge patches: their elements' directives, what is merged with what, and in which order it comes.

Directives of an element: `$patch: delete` takes away the elements that have its key, `$patch: replace` lets the patch's
other elements stand alone. Follows k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from typing import Any

from pybernetes.api.patch.checking import go_text, go_type
from pybernetes.api.patch.error import PatchError, UnfitPatch
from pybernetes.api.patch.ordering import KeyOf, arranged
from pybernetes.api.patch.strategic_facts import Facts, ListFacts

Document = dict[str, Any]
MergeMap = Callable[[Document, Document, Facts], Document]

DIRECTIVE = "$patch"


def merged_list(old: list[Any], patch: list[Any], facts: ListFacts, merge_map: MergeMap) -> list[Any]:
    """Raises PatchError."""
    if not old and not patch:
        return old
    if not _holds_maps(old, patch):
        both = _without_repetitions((*old, *patch))
        return arranged(both, patch, old, _identity(facts))
    if not facts.merge_key:
        raise UnfitPatch("cannot merge lists without merge key for struct")
    rest, changes = _without_directives(old, patch, facts.merge_key)
    merged = _merged_maps(rest, changes, facts, merge_map)
    if len(merged) == 1 and facts.merge_key in merged[0]:
        return merged
    return arranged(merged, changes, rest, _key_of(facts.merge_key))


def without_values(old: list[Any], gone: list[Any]) -> list[Any] | None:
    """What is left of a list of values; None for what is none. Raises PatchError."""
    if not old and not gone:
        return old
    if _holds_maps(old, gone):
        return None
    taken = {_value_of(one) for one in gone}
    return [one for one in old if _value_of(one) not in taken]


def in_order(merged: list[Any], order: list[Any], old: list[Any], stated: list[Any], facts: ListFacts) -> list[Any]:
    """A merged list as the client wants it ordered, with what only the server has in between. Raises PatchError."""
    if facts.merge_key and merged:
        for index, one in enumerate(order):
            if not isinstance(one, dict):
                raise UnfitPatch(f"value for key {index} is not a map")
    if not old and not stated:
        raise UnfitPatch("no elements in any of the given slices")
    if _holds_maps(old, stated) and not facts.merge_key:
        first = (*order, *old, *stated)[0]
        raise _no_key(first, "") if isinstance(first, dict) else not_of_type("map[string]interface {}", first)
    return arranged(merged, order, old, _identity(facts))


def check_order(stated: list[Any], order: list[Any], facts: ListFacts) -> None:
    """Raises UnfitPatch for a patch whose elements stand otherwise than it says itself."""
    if not order or not stated:
        return
    elements = stated
    if facts.merge_key:
        _require_maps(stated)
        elements = [one for one in stated if one.get(DIRECTIVE) != "delete"]
    identity = _identity(facts)
    matched = at = 0
    while matched < len(elements) and at < len(order):
        if not _is_directive(elements[matched]):
            if identity(elements[matched]) != identity(order[at]):
                matched -= 1
            at += 1
        matched += 1
    if matched < len(elements):
        lists = f"{go_text(stated)}\n doesn't match $setElementOrder list:\n{go_text(order)}\n"
        raise UnfitPatch(f"The order in patch list:\n{lists}")


def fresh(value: Any) -> Any:
    """What a patch adds where there was nothing: without nulls in maps, and without what has a `$patch`."""
    if isinstance(value, dict):
        return {name: fresh(one) for name, one in value.items() if one is not None and not _is_directive(one)}
    if isinstance(value, list):
        return [fresh(one) for one in value if not _is_directive(one)]
    return value


def unknown_directive(directive: Any, patch: Document) -> UnfitPatch:
    return UnfitPatch(f"unknown patch type: {_as_text(directive)} in map: {go_text(patch)}")


def not_of_type(expected: str, value: Any) -> UnfitPatch:
    found = "%!s(<nil>)" if value is None else go_type(value)
    return UnfitPatch(f"expected a {expected}, but received a {found}")


def _as_text(value: Any) -> str:
    """As Go's %s."""
    match value:
        case str():
            return value
        case None:
            return "%!s(<nil>)"
        case list():
            return f"[{' '.join(map(_as_text, value))}]"
        case dict():
            return f"map[{' '.join(f'{name}:{_as_text(one)}' for name, one in sorted(value.items()))}]"
        case _:
            return f"%!s({go_type(value)}={go_text(value)})"


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def _without_directives(old: list[Any], patch: list[Any], merge_key: str) -> tuple[list[Any], list[Any]]:
    """What is left of the old elements, and the patch's elements that are to be merged into them."""
    if not any(DIRECTIVE in element for element in patch):
        return old, patch
    key_of = _key_of(merge_key)
    changes: list[Any] = []
    replaces = False
    for element in patch:
        directive = element.get(DIRECTIVE)
        if DIRECTIVE not in element:
            changes.append(element)
        elif directive == "delete":
            gone = key_of(element)
            old = [one for one in old if merge_key not in one or key_of(one) != gone]
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise UnfitPatch("merging lists cannot yet be specified in the patch")
        else:
            raise unknown_directive(directive, element)
    return (changes, []) if replaces else (old, changes)


def _merged_maps(old: list[Any], changes: list[Any], facts: ListFacts, merge_map: MergeMap) -> list[Any]:
    merge_key, key_of = facts.merge_key, _key_of(facts.merge_key)
    merged = old.copy()
    places: dict[Hashable, int] = {}
    for index, one in enumerate(old):
        if merge_key in one:
            places.setdefault(_value_of(one[merge_key]), index)
    for element in changes:
        key = key_of(element)
        place = places.get(key)
        if place is None:
            places[key] = len(merged)
            merged.append(element)
        else:
            merged[place] = merge_map(merged[place], element, facts.element)
    return merged


# -- identities ------------------------------------------------------------------------------------------------------


def _holds_maps(*lists: list[Any]) -> bool:
    """Raises PatchError for lists whose elements are not all of one type, or lists."""
    kinds = [one.__class__ for elements in lists for one in elements]
    if kinds[0] is list:
        raise PatchError("lists of lists are not supported")
    if kinds.count(kinds[0]) != len(kinds):
        raise UnfitPatch(f"list element types are not identical: [{' '.join(map(go_text, lists))}]")
    return kinds[0] is dict


def _require_maps(elements: Iterable[Any]) -> None:
    for one in elements:
        if not isinstance(one, dict):
            raise not_of_type("map[string]interface {}", one)


def _without_repetitions(values: Iterable[Any]) -> list[Any]:
    return list({_value_of(one): one for one in reversed(tuple(values))}.values())[::-1]


def _identity(facts: ListFacts) -> KeyOf:
    return _key_of(facts.merge_key) if facts.merge_key else _value_of


def _key_of(merge_key: str) -> KeyOf:
    def key_of(element: Any) -> Any:
        if not isinstance(element, dict):
            raise not_of_type("map[string]interface {}", element)
        if merge_key not in element:
            raise _no_key(element, merge_key)
        return _value_of(element[merge_key])

    return key_of


def _no_key(element: Document, merge_key: str) -> UnfitPatch:
    return UnfitPatch(f"map: {go_text(element)} does not contain declared merge key: {merge_key}")


def _value_of(value: Any) -> Any:
    """What tells values apart as Go does: 1, 1.0 and true are three. Raises UnfitPatch for what has no identity."""
    if isinstance(value, str):
        return value
    if isinstance(value, (dict, list)):
        raise UnfitPatch(f"{go_text(value)} cannot be compared")
    return type(value), value
