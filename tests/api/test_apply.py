from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest

from pybernetes.api.patch import PatchError, checking
from pybernetes.api.patch.apply import Applied, Author, Conflicts, Typed, apply, created, updated
from pybernetes.api.patch.field_set import canonical, difference, fields_at, intersection, ordered, paths, shown, union
from pybernetes.api.patch.managed import Managers, entries_of, managers_of
from pybernetes.api.patch.parts import kind_of
from pybernetes.api.schema import shape_of

SHAPE = shape_of("apps", "v1", "Deployment")
TYPED = Typed(kind_of(SHAPE.definition), SHAPE.read({}).document)
Document = dict[str, Any]


@dataclass(frozen=True)
class Live:
    """An object and who manages it."""

    document: Document
    managers: Managers

    def fields(self, manager: str) -> Document:
        return next(row["fieldsV1"] for row in entries_of(self.managers) if row["manager"] == manager)


def author(name: str, day: int = 1) -> Author:
    return Author(name, "apps/v1", f"2026-01-{day:02}T00:00:00Z")


def config(replicas: int | None = 3, containers: tuple[str, ...] = ("web",), **labels: str) -> Document:
    spec: Document = {"selector": {"matchLabels": {"app": "web"}}}
    if replicas is not None:
        spec["replicas"] = replicas
    spec["template"] = {"spec": {"containers": [{"name": name, "image": f"{name}:1"} for name in containers]}}
    metadata: Document = {"name": "web"}
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def attempt(live: Live | None, what: Document, who: Author, *, force: bool = False) -> Applied | Conflicts:
    if live is None:
        return apply(None, what, {}, TYPED, who, force=force)
    return apply(live.document, what, live.managers, TYPED, who, force=force)


def applied(live: Live | None, what: Document, who: Author, *, force: bool = False) -> Live:
    result = attempt(live, what, who, force=force)
    assert isinstance(result, Applied), result
    return Live(SHAPE.read(result.document).document, result.managers)


def made(what: Document, who: Author) -> Live:
    document = SHAPE.read(what).document
    return Live(document, created(document, TYPED, who))


def changed(live: Live, new: Document, who: Author) -> Live:
    return Live(new, updated(live.document, new, live.managers, TYPED, who))


def names(document: Document) -> list[str]:
    return [container["name"] for container in document["spec"]["template"]["spec"]["containers"]]


def test_the_first_apply_creates_and_owns_what_it_names() -> None:
    live = applied(None, config(app="web"), author("me"))
    (row,) = entries_of(live.managers)
    assert (row["operation"], row["apiVersion"], row["time"]) == ("Apply", "apps/v1", "2026-01-01T00:00:00Z")
    assert row["fieldsV1"] == {
        "f:metadata": {"f:labels": {"f:app": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:template": {
                "f:spec": {"f:containers": {'k:{"name":"web"}': {".": {}, "f:image": {}, "f:name": {}}}},
            },
        },
    }
    assert live.document["status"] == {}


def test_applying_the_same_again_changes_nothing() -> None:
    live = applied(None, config(), author("me"))
    before = copy.deepcopy(live)
    assert applied(live, config(), author("me", day=2)) == before
    assert live == before


def test_what_is_no_longer_named_goes_and_what_others_have_stays() -> None:
    live = applied(None, config(containers=("web", "sidecar"), app="web", old="1"), author("me"))
    live = applied(live, {"metadata": {"labels": {"team": "x"}}}, author("other"))
    after = applied(live, config(replicas=None, containers=("web",)), author("me"))
    assert names(after.document) == ["web"]
    assert after.document["metadata"]["labels"] == {"team": "x"}
    assert "replicas" not in after.document["spec"]


def test_a_shared_field_stays_when_one_of_its_managers_lets_go() -> None:
    live = applied(None, config(replicas=3), author("me"))
    live = applied(live, {"spec": {"replicas": 3}}, author("other"))
    after = applied(live, config(replicas=None), author("me"))
    assert after.document["spec"]["replicas"] == 3
    assert "f:replicas" not in after.fields("me")["f:spec"]


def test_who_states_what_is_there_already_has_it_without_a_time() -> None:
    live = applied(None, config(replicas=3), author("me"))
    live = applied(live, {"spec": {"replicas": 3}}, author("other", day=2))
    assert [row.get("time") for row in entries_of(live.managers)] == [None, "2026-01-01T00:00:00Z"]


def test_changing_what_another_has_conflicts_unless_forced() -> None:
    live = applied(None, config(replicas=3), author("me"))
    scaled = copy.deepcopy(live.document)
    scaled["spec"]["replicas"] = 5
    live = changed(live, scaled, author("kubectl-edit", day=2))
    refused = attempt(live, config(replicas=3), author("me"))
    assert isinstance(refused, Conflicts)
    assert refused.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1: .spec.replicas'
    )
    assert refused.causes == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using apps/v1',
            "field": ".spec.replicas",
        }
    ]
    forced = applied(live, config(replicas=3), author("me"), force=True)
    assert forced.document["spec"]["replicas"] == 3
    assert [manager.name for manager in forced.managers] == ["me"]


def test_several_conflicts_are_listed_by_manager() -> None:
    live = applied(None, config(replicas=3, containers=("web",)), author("other"))
    mine = config(replicas=4)
    mine["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    refused = attempt(live, mine, author("me"))
    assert isinstance(refused, Conflicts)
    assert refused.message == (
        'Apply failed with 2 conflicts: conflicts with "other":\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="web"].image'
    )


def test_an_update_takes_what_it_changes_from_others() -> None:
    live = applied(None, config(replicas=3, app="web"), author("me"))
    new = copy.deepcopy(live.document)
    new["spec"]["replicas"] = 5
    del new["metadata"]["labels"]
    after = changed(live, new, author("kubectl", day=2))
    assert after.fields("kubectl") == {"f:spec": {"f:replicas": {}}}
    mine = after.fields("me")
    assert "f:replicas" not in mine["f:spec"]
    assert "f:metadata" not in mine


def test_an_update_that_changes_nothing_leaves_the_managers_alone() -> None:
    live = made(config(), author("kubectl"))
    assert changed(live, copy.deepcopy(live.document), author("other", day=2)) == live


def test_an_update_of_an_object_that_nobody_manages_makes_no_manager() -> None:
    live = Live(SHAPE.read(config()).document, {})
    new = copy.deepcopy(live.document)
    new["spec"]["replicas"] = 9
    assert changed(live, new, author("me")).managers == {}


def test_a_created_map_is_itself_among_the_fields() -> None:
    live = made(config(app="web"), author("kubectl"))
    assert live.fields("kubectl")["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}


def test_an_object_without_managers_gets_one_for_what_was_before() -> None:
    live = Live(SHAPE.read(config(replicas=3)).document, {})
    refused = attempt(live, config(replicas=4), author("me"))
    assert isinstance(refused, Conflicts)
    assert [conflict.manager.name for conflict in refused.conflicts] == ["before-first-apply"]


def test_many_updaters_are_folded_into_one() -> None:
    live = made(config(), author("m0"))
    for number in range(1, 15):
        new = copy.deepcopy(live.document)
        new["metadata"].setdefault("labels", {})[f"l{number}"] = "x"
        live = changed(live, new, author(f"m{number:02}", day=number + 1))
    managers = [manager.name for manager in live.managers]
    assert len(managers) == 10
    assert "ancient-changes" in managers
    assert "m14" in managers


def test_elements_without_identity_and_repeated_ones_are_refused() -> None:
    keyless = {"spec": {"template": {"spec": {"tolerations": [], "containers": [7]}}}}
    with pytest.raises(PatchError, match="non-map elements"):
        attempt(None, keyless, author("me"))
    assert checking.problems(config(containers=("a", "a")), TYPED.kind) == [
        '.spec.template.spec.containers: duplicate entries for key [name="a"]'
    ]


def test_a_key_that_an_element_leaves_out_has_its_default() -> None:
    port = {"name": "web", "ports": [{"containerPort": 80}]}
    what = {"spec": {"template": {"spec": {"containers": [port]}}}}
    element = applied(None, what, author("me")).fields("me")["f:spec"]["f:template"]["f:spec"]["f:containers"]
    assert list(element['k:{"name":"web"}']["f:ports"]) == ['k:{"containerPort":80,"protocol":"TCP"}']


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ({"spec": {"bogus": 1}}, [".spec.bogus: field not declared in schema"]),
        ({"spec": {"replicas": "3"}}, [".spec.replicas: expected numeric (int or float), got string"]),
        (
            {"metadata": {"labels": {"a": 1}}},
            [".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}"],
        ),
        ({"spec": {"paused": 1}}, [".spec.paused: expected boolean, got &{1}"]),
        ({"metadata": [1, "a"]}, [".metadata: expected map, got &{[1 a]}"]),
        (
            {"spec": {"template": {"spec": {"containers": {}}}}},
            [".spec.template.spec.containers: expected list, got &{map[]}"],
        ),
        ({"spec": {"replicas": None}}, []),
    ],
)
def test_a_configuration_that_does_not_fit_gets_the_words_of_upstream(what: Document, expected: list[str]) -> None:
    assert checking.problems(what, TYPED.kind) == expected


def test_the_steps_of_a_set_stand_in_order_by_their_values() -> None:
    ports = ['k:{"containerPort":443,"protocol":"TCP"}', 'k:{"containerPort":80,"protocol":"TCP"}']
    assert list(ordered({port: {} for port in ports})) == [ports[1], ports[0]]
    assert list(canonical({"f:b": {"f:z": {}, "f:y": {}, ".": {}}, "f:a": {}})["f:b"]) == [".", "f:y", "f:z"]


def test_sets_know_members_from_what_lies_below_them() -> None:
    parent, child = fields_at(("f:a",)), fields_at(("f:a", "f:b"))
    both = union(parent, child)
    assert both == {"f:a": {".": {}, "f:b": {}}}
    assert difference(both, parent) == child
    assert difference(both, child) == parent
    assert intersection(both, child) == child
    assert [shown(path) for path in paths(both)] == [".a", ".a.b"]
    assert managers_of([{"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1"}])


def test_a_null_says_nothing_about_what_has_parts_and_takes_what_has_none() -> None:
    live = made(config(), author("maker"))
    what = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": None}}
    result = applied(live, what, author("me", 2))
    assert result.document == live.document
    assert result.fields("me") == {"f:spec": {"f:template": {}}}
    what["spec"] = {"template": {"spec": {"containers": None}}, "paused": None}
    assert applied(live, what, author("me", 2)).document == live.document


def test_an_element_whose_key_is_null_is_another_element() -> None:
    what = config()
    what["spec"]["template"]["spec"]["containers"] = [{"name": None, "image": "x"}]
    live = made(config(), author("maker"))
    merged = attempt(live, what, author("me", 2))
    assert isinstance(merged, Applied)
    assert [one["name"] for one in merged.document["spec"]["template"]["spec"]["containers"]] == ["web", None]


def test_a_configuration_may_have_anything_where_a_number_or_a_text_may_stand() -> None:
    what = {"spec": {"strategy": {"rollingUpdate": {"maxSurge": []}}}}
    assert checking.problems(what, TYPED.kind) == []
    what = {"spec": {"template": {"spec": {"volumes": [{"name": {"a": 1}}]}}}}
    assert checking.problems(what, TYPED.kind) == [
        ".spec.template.spec.volumes[name=a=1].name: expected string, got "
        '&value.valueUnstructured{Value:map[string]interface {}{"a":1}}'
    ]
