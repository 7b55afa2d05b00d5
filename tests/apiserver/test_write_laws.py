"""Laws that hold for whatever is written: apply twice is apply once, patches are pure, rubbish changes nothing."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.serving import (
    CONFIG_MAPS,
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    config_map,
    serving,
)
from apiserver.two_way import two_way
from pybernetes.api.patch import PatchError, json_patch, merge, strategic
from pybernetes.api.patch.apply import Applied, Author, Typed, apply, created, updated
from pybernetes.api.patch.field_set import canonical, difference, fields_at, intersection, paths, union
from pybernetes.api.patch.managed import UNMANAGED, Managers
from pybernetes.api.patch.newcomers import Newcomers
from pybernetes.api.patch.parts import kind_of
from pybernetes.api.patch.structured import compare
from pybernetes.api.schema import shape_of

Document = dict[str, Any]
SHAPE = shape_of("", "v1", "Pod")
TYPED = Typed(kind_of(SHAPE.definition), SHAPE.read({}).document)
APPLY = "application/apply-patch+yaml"
NAMES = st.sampled_from(["a", "b", "c"])
TEXTS = st.sampled_from(["1", "2", "3"])
TEXT_MAPS = st.dictionaries(NAMES, TEXTS, max_size=3)


def _by_name(elements: list[Document]) -> list[Document]:
    return list({element["name"]: element for element in elements}.values())


ENVS = st.lists(st.fixed_dictionaries({"name": NAMES, "value": TEXTS}), max_size=3).map(_by_name)
CONTAINERS = st.lists(
    st.fixed_dictionaries({"name": NAMES}, optional={"image": TEXTS, "env": ENVS, "args": st.lists(TEXTS, max_size=2)}),
    max_size=3,
).map(_by_name)
CONFIGS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {}, optional={"labels": TEXT_MAPS, "finalizers": st.lists(NAMES, max_size=3, unique=True)}
        ),
        "spec": st.fixed_dictionaries(
            {}, optional={"containers": CONTAINERS, "nodeSelector": TEXT_MAPS, "hostname": TEXTS}
        ),
    }
)


def _author(name: str, day: int = 1) -> Author:
    return Author(name, "v1", f"2026-01-{day:02}T00:00:00Z")


def _apply(live: Document | None, managers: Managers, config: Document, who: str, day: int = 1) -> Applied:
    result = apply(live, config, managers, TYPED, _author(who, day), force=True)
    assert isinstance(result, Applied)
    return Applied(SHAPE.read(result.document).document, result.managers)


@given(CONFIGS, CONFIGS)
def test_applying_twice_is_applying_once(first: Document, second: Document) -> None:
    before = _apply(None, {}, first, "other")
    once = _apply(before.document, before.managers, second, "me")
    twice = _apply(once.document, once.managers, second, "me", day=2)
    assert twice.document == once.document
    assert {one: entry.fields for one, entry in twice.managers.items()} == {
        one: entry.fields for one, entry in once.managers.items()
    }


@given(CONFIGS, CONFIGS)
def test_what_a_forced_apply_states_is_there_and_its_own(first: Document, second: Document) -> None:
    before = _apply(None, {}, first, "other")
    after = _apply(before.document, before.managers, second, "me")
    assert compare(after.document, _merged_again(after.document, second), TYPED.kind).set == {}
    others = [entry.fields for one, entry in after.managers.items() if one.name == "other"]
    changed = compare(before.document, after.document, TYPED.kind).set
    assert all(not intersection(fields, changed) for fields in others)


def _merged_again(document: Document, config: Document) -> Document:
    again = apply(document, config, {}, TYPED, _author("me"), force=True)
    assert isinstance(again, Applied)
    return SHAPE.read(again.document).document


@given(CONFIGS)
def test_what_only_one_manager_had_goes_when_it_states_nothing_any_more(config: Document) -> None:
    made = _apply(None, {}, config, "me")
    left = _apply(made.document, made.managers, {"metadata": {}, "spec": {}}, "me")
    assert not left.document["metadata"].get("labels")
    assert not left.document["spec"].get("containers")
    assert "hostname" not in left.document["spec"]


@given(CONFIGS, CONFIGS)
def test_apply_leaves_its_arguments_alone(first: Document, second: Document) -> None:
    before = _apply(None, {}, first, "other")
    kept = copy.deepcopy((before, second))
    _apply(before.document, before.managers, second, "me")
    assert (before, second) == kept


@given(CONFIGS, CONFIGS)
def test_an_update_gives_its_author_what_it_changed_and_takes_it_from_others(old: Document, new: Document) -> None:
    live, changed = SHAPE.read(old).document, SHAPE.read(new).document
    managers = created(live, TYPED, _author("maker"))
    after = updated(live, changed, managers, TYPED, _author("editor", 2))
    found = compare(live, changed, TYPED.kind)
    for manager, entry in after.items():
        assert canonical(entry.fields) == entry.fields
        assert list(canonical(entry.fields)) == list(entry.fields)
        if manager.name == "maker":
            assert not intersection(entry.fields, union(found.set, found.removed))


@given(CONFIGS, CONFIGS)
def test_what_a_patch_leaves_alone_need_not_be_read_again(config: Document, patch: Document) -> None:
    live = SHAPE.read(config).document
    with_extras = {**patch, "spec": {**patch["spec"], "nobody": [{"knows": None}]}}
    for patched in (
        merge.apply(live, patch),
        merge.apply(live, with_extras),
        strategic.apply(live, patch, SHAPE),
        {**live, "spec": {**live["spec"], "containers": [*live["spec"].get("containers", ()), {"name": "z"}, None]}},
    ):
        assert SHAPE.read(patched, live) == SHAPE.read(patched)


@given(CONFIGS, CONFIGS)
def test_who_changes_what_he_has_has_what_he_had_and_what_he_changed(old: Document, new: Document) -> None:
    live, changed = SHAPE.read(old).document, SHAPE.read(new).document
    managers = created(live, TYPED, _author("me"))
    after = updated(live, changed, managers, TYPED, _author("me", 2))
    found = compare(live, changed, TYPED.kind)
    left = [difference(difference(entry.fields, found.set), found.removed) for entry in managers.values()]
    expected = union(left[0], difference(found.set, UNMANAGED)) if left else {}
    assert orjson.dumps([entry.fields for entry in after.values()]) == orjson.dumps([expected] if expected else [])


@given(CONFIGS)
def test_a_new_object_is_taken_apart_as_one_compared_with_nothing(config: Document) -> None:
    document = SHAPE.read(config).document
    quick = Newcomers(TYPED, lambda fields: fields)
    expected = created(document, TYPED, _author("me"))
    assert quick.managers(document, _author("me"), {}) == expected
    assert orjson.dumps(
        [entry.fields for entry in quick.managers(document, _author("me"), {}).values()]
    ) == orjson.dumps([entry.fields for entry in expected.values()])


EVENT = shape_of("", "v1", "Event")
EVENTS = st.fixed_dictionaries(
    {
        "involvedObject": st.dictionaries(
            st.sampled_from(["kind", "name", "uid", "fieldPath"]), st.sampled_from(["", "x"])
        )
    },
    optional={
        "metadata": st.fixed_dictionaries({"name": NAMES}),
        "reason": st.sampled_from(["", "Scheduled"]),
        "count": st.integers(0, 2),
        "source": st.fixed_dictionaries({}, optional={"component": st.sampled_from(["", "x"])}),
        "series": st.fixed_dictionaries({}, optional={"count": st.integers(0, 1)}),
        "related": st.dictionaries(st.sampled_from(["kind", "name"]), TEXTS),
        "type": st.sampled_from(["", "Normal"]),
    },
)


@given(st.lists(EVENTS, min_size=1, max_size=4))
def test_events_are_taken_apart_by_which_fields_they_have(events: list[Document]) -> None:
    typed = Typed(kind_of(EVENT.definition), EVENT.read({}).document)
    quick = Newcomers(typed, lambda fields: fields)
    for event in events:
        document = EVENT.read(event).document
        assert quick.managers(document, _author("me"), {}) == created(document, typed, _author("me"))


SETS = st.lists(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"n":1}', 'k:{"n":10}', 'v:"x"']), min_size=1, max_size=3).map(tuple),
    max_size=6,
).map(lambda members: fields_at(*members))


@given(SETS, SETS)
def test_sets_obey_the_laws_of_sets(one: Document, other: Document) -> None:
    members = {*paths(one)}
    others = {*paths(other)}
    assert {*paths(union(one, other))} == members | others
    assert {*paths(intersection(one, other))} == members & others
    assert {*paths(difference(one, other))} == members - others
    assert canonical(union(one, other)) == union(one, other)


@given(CONFIGS, CONFIGS)
def test_a_merge_patch_made_of_two_documents_leads_from_one_to_the_other(old: Document, new: Document) -> None:
    assert merge.apply(old, merge.diff(old, new)) == new


@given(CONFIGS, CONFIGS)
def test_a_strategic_patch_made_twice_is_made_once_and_keeps_what_it_does_not_name(
    old: Document, patch: Document
) -> None:
    kept = copy.deepcopy(old)
    once = strategic.apply(old, patch, SHAPE)
    assert strategic.apply(once, patch, SHAPE) == once
    assert old == kept
    named = [one["name"] for one in patch["spec"].get("containers", ())]
    before = [one["name"] for one in old["spec"].get("containers", ())]
    after = [one["name"] for one in once["spec"].get("containers", ())]
    assert {*after} == {*before, *named}
    assert [name for name in after if name not in named] == [name for name in before if name not in named]


@given(CONFIGS, CONFIGS)
def test_a_strategic_patch_made_of_two_documents_leads_from_one_to_the_other(old: Document, new: Document) -> None:
    patched = strategic.apply(old, two_way(old, new), SHAPE)
    assert _without_empty(patched) == _without_empty(new)


def _without_empty(value: Any) -> Any:
    """A patch that takes the last element of a list leaves an empty list or none."""
    if isinstance(value, dict):
        return {name: left for name, member in value.items() if (left := _without_empty(member)) not in ({}, [])}
    return [_without_empty(element) for element in value] if isinstance(value, list) else value


@given(CONFIGS, CONFIGS)
def test_a_strategic_patch_of_who_saw_less_leaves_alone_what_he_did_not_see(seen: Document, unseen: Document) -> None:
    """Containers that somebody else added stay, whatever is patched from an older state."""
    mine = copy.deepcopy(seen)
    others = [one for one in unseen["spec"].get("containers", ()) if one["name"] not in _names(seen)]
    live = copy.deepcopy(seen)
    if others:
        live["spec"].setdefault("containers", []).extend(others)
    mine["spec"]["hostname"] = "mine"
    patched = strategic.apply(live, two_way(seen, mine), SHAPE)
    assert patched == {**live, "spec": {**live["spec"], "hostname": "mine"}}


def _names(document: Document) -> set[str]:
    return {one["name"] for one in document["spec"].get("containers", ())}


PLACES = st.lists(NAMES, min_size=1, max_size=2).map(lambda parts: "".join(f"/{part}" for part in parts))
OPERATIONS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"op": st.sampled_from(["add", "replace", "test"]), "path": PLACES, "value": TEXT_MAPS}),
        st.fixed_dictionaries({"op": st.just("remove"), "path": PLACES}),
        st.fixed_dictionaries({"op": st.sampled_from(["copy", "move"]), "from": PLACES, "path": PLACES}),
    ),
    max_size=5,
)


@given(st.dictionaries(NAMES, TEXT_MAPS, max_size=3), OPERATIONS, OPERATIONS)
def test_json_patches_one_after_the_other_are_one(
    document: Document, one: list[Document], other: list[Document]
) -> None:
    kept = copy.deepcopy(document)
    assert _patched(document, [*one, *other]) == _patched(_patched(document, one), other)
    assert document == kept


def _patched(document: Document | None, operations: list[Document]) -> Document | None:
    """None for what is refused."""
    if document is None:
        return None
    with suppress(PatchError):
        return json_patch.apply(document, operations)
    return None


@given(CONFIGS, CONFIGS)
def test_who_applies_last_has_all_he_states_and_others_what_is_the_same(first: Document, second: Document) -> None:
    before = _apply(None, {}, first, "other")
    after = _apply(before.document, before.managers, second, "me", day=2)
    fields = {manager.name: entry.fields for manager, entry in after.managers.items()}
    mine = fields.get("me", {})
    shared = intersection(mine, fields.get("other", {}))
    assert not difference(shared, intersection(mine, _own(before)))


def _own(applied: Applied) -> Document:
    return next((entry.fields for manager, entry in applied.managers.items() if manager.name == "other"), {})


@given(CONFIGS, CONFIGS)
def test_what_two_apply_in_either_order_is_there_if_they_agree(first: Document, second: Document) -> None:
    """Where nobody took a field from the other, only the order of lists may differ."""
    one, other = _both(first, second), _both(second, first)
    if one is not None and other is not None:
        assert _unordered(one) == _unordered(other)


def _both(first: Document, second: Document) -> Document | None:
    """None for a conflict."""
    before = _apply(None, {}, first, "one")
    after = apply(before.document, second, before.managers, TYPED, _author("other"), force=False)
    return SHAPE.read(after.document).document if isinstance(after, Applied) else None


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unordered(member) for name, member in value.items()}
    if isinstance(value, list):
        return sorted(
            (_unordered(element) for element in value), key=lambda one: orjson.dumps(one, option=orjson.OPT_SORT_KEYS)
        )
    return value


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "replace", "delete", "é"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("$patch"), inner, max_size=3),
    max_leaves=8,
)


@given(CONFIGS, st.dictionaries(st.sampled_from(["metadata", "spec", "$patch", "x"]), JSON_VALUES, max_size=3))
def test_any_strategic_patch_is_made_or_refused(old: Document, patch: Document) -> None:
    kept = copy.deepcopy(old)
    with suppress(PatchError):
        strategic.apply(old, patch, SHAPE)
    assert old == kept


BODIES = st.one_of(
    st.binary(max_size=40),
    JSON_VALUES.map(orjson.dumps),
    st.text('[]{}",:0123 aeftrulsn\\', max_size=30).map(str.encode),
)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["POST", "PUT", "PATCH"]),
            st.sampled_from(["application/json", "application/yaml", JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY]),
            BODIES,
        ),
        min_size=4,
        max_size=8,
    )
)
async def test_rubbish_is_refused_and_changes_nothing(requests: list[tuple[str, str, bytes]]) -> None:
    async with serving() as talk:
        made = await talk.post(CONFIG_MAPS, config_map("web", a="1"))
        for method, kind, body in requests:
            path = CONFIG_MAPS if method == "POST" else f"{CONFIG_MAPS}/web"
            query = {"fieldManager": "me"} if kind == APPLY else {}
            answer = await talk.send(method, path, body, {"content-type": kind}, query)
            now = await talk.get(f"{CONFIG_MAPS}/web")
            if answer.status >= 300:
                assert answer.status in (400, 405, 409, 413, 415, 422, 500), answer.message
                assert answer.body["message"]
                assert "Internal error" not in answer.message
                assert now.version == made.version
            made = now
