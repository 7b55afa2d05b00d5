from __future__ import annotations

import copy
from typing import Any

import pytest

from pybernetes.api.patch import PatchError
from pybernetes.api.patch.apply import Applied, Author, Conflicts, apply, track_update
from pybernetes.api.patch.field_set import FieldSet
from pybernetes.api.patch.managed import managers_of
from pybernetes.api.schema import shape_of

SHAPE = shape_of("apps", "v1", "Deployment")
Document = dict[str, Any]


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
    return SHAPE.read_partial(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}
    ).document


def applied(live: Document | None, what: Document, who: Author, force: bool = False) -> Document:
    result = apply(live, what, SHAPE, who, force=force)
    assert isinstance(result, Applied), result
    return result.document


def names(document: Document) -> list[str]:
    return [container["name"] for container in document["spec"]["template"]["spec"]["containers"]]


def fields_of(document: Document, manager: str) -> Document:
    return next(row["fieldsV1"] for row in document["metadata"]["managedFields"] if row["manager"] == manager)


def test_the_first_apply_creates_and_owns_what_it_names() -> None:
    created = applied(None, config(app="web"), author("me"))
    (row,) = created["metadata"]["managedFields"]
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
    assert created["status"] == {}


def test_applying_the_same_again_changes_nothing() -> None:
    created = applied(None, config(), author("me"))
    before = copy.deepcopy(created)
    assert applied(created, config(), author("me", day=2)) == before
    assert created == before


def test_what_is_no_longer_named_goes_and_what_others_have_stays() -> None:
    live = applied(None, config(containers=("web", "sidecar"), app="web", old="1"), author("me"))
    live = applied(live, SHAPE.read_partial({"metadata": {"labels": {"team": "x"}}}).document, author("other"))
    after = applied(live, config(replicas=None, containers=("web",)), author("me"))
    assert names(after) == ["web"]
    assert after["metadata"]["labels"] == {"team": "x"}
    assert "replicas" not in after["spec"]


def test_a_shared_field_stays_when_one_of_its_managers_lets_go() -> None:
    live = applied(None, config(replicas=3), author("me"))
    live = applied(live, SHAPE.read_partial({"spec": {"replicas": 3}}).document, author("other"))
    after = applied(live, config(replicas=None), author("me"))
    assert after["spec"]["replicas"] == 3
    assert "f:replicas" not in fields_of(after, "me")["f:spec"]


def test_changing_what_another_has_conflicts_unless_forced() -> None:
    live = applied(None, config(replicas=3), author("me"))
    changed = copy.deepcopy(live)
    changed["spec"]["replicas"] = 5
    live = track_update(live, changed, SHAPE, author("kubectl-edit", day=2))
    refused = apply(live, config(replicas=3), SHAPE, author("me"))
    assert isinstance(refused, Conflicts)
    assert refused.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-edit" using apps/v1 at 2026-01-02T00:00:00Z: '
        ".spec.replicas"
    )
    assert refused.causes == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-edit" using apps/v1 at 2026-01-02T00:00:00Z',
            "field": ".spec.replicas",
        }
    ]
    forced = applied(live, config(replicas=3), author("me"), force=True)
    assert forced["spec"]["replicas"] == 3
    assert [manager.name for manager in managers_of(forced)] == ["me"]


def test_several_conflicts_are_listed_by_manager() -> None:
    live = applied(None, config(replicas=3, containers=("web",)), author("other"))
    mine = config(replicas=4)
    mine["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    refused = apply(live, mine, SHAPE, author("me"))
    assert isinstance(refused, Conflicts)
    assert refused.message == (
        'Apply failed with 2 conflicts: conflicts with "other":\n'
        "- .spec.replicas\n"
        '- .spec.template.spec.containers[name="web"].image'
    )


def test_an_update_takes_what_it_changes_from_others() -> None:
    live = applied(None, config(replicas=3, app="web"), author("me"))
    changed = copy.deepcopy(live)
    changed["spec"]["replicas"] = 5
    del changed["metadata"]["labels"]
    after = track_update(live, changed, SHAPE, author("kubectl", day=2))
    assert fields_of(after, "kubectl") == {"f:spec": {"f:replicas": {}}}
    mine = fields_of(after, "me")
    assert "f:replicas" not in mine["f:spec"]
    assert "f:metadata" not in mine


def test_an_update_that_changes_nothing_leaves_the_managers_alone() -> None:
    live = track_update(None, SHAPE.read(config()).document, SHAPE, author("kubectl"))
    assert track_update(live, copy.deepcopy(live), SHAPE, author("other", day=2)) == live


def test_a_created_map_is_itself_among_the_fields() -> None:
    live = track_update(None, SHAPE.read(config(app="web")).document, SHAPE, author("kubectl"))
    assert fields_of(live, "kubectl")["f:metadata"] == {"f:labels": {".": {}, "f:app": {}}}


def test_an_object_without_managers_gets_one_for_what_was_before() -> None:
    live = SHAPE.read(config(replicas=3)).document
    refused = apply(live, config(replicas=4), SHAPE, author("me"))
    assert isinstance(refused, Conflicts)
    assert [conflict.manager.name for conflict in refused.conflicts] == ["before-first-apply"]


def test_managers_are_reset_by_an_empty_list() -> None:
    live = applied(None, config(), author("me"))
    reset = copy.deepcopy(live)
    reset["metadata"]["managedFields"] = [{}]
    assert "managedFields" not in track_update(live, reset, SHAPE, author("kubectl"))["metadata"]


def test_many_updaters_are_folded_into_one() -> None:
    live = SHAPE.read(config()).document
    for number in range(1, 15):
        changed = copy.deepcopy(live)
        changed["metadata"].setdefault("labels", {})[f"l{number}"] = "x"
        live = track_update(live, changed, SHAPE, author(f"m{number}", day=number))
    managers = [manager.name for manager in managers_of(live)]
    assert len(managers) == 10
    assert "ancient-changes" in managers
    assert "m14" in managers


def test_elements_without_their_key_and_repeated_ones_are_refused() -> None:
    nameless = {"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}
    with pytest.raises(PatchError, match="omits key field"):
        apply(None, nameless, SHAPE, author("me"))
    with pytest.raises(PatchError, match="duplicate entries"):
        apply(None, config(containers=("a", "a")), SHAPE, author("me"))


def test_field_sets_survive_the_wire() -> None:
    fields = {"f:a": {".": {}, "f:b": {}}, "f:c": {'k:{"x":1}': {".": {}, "f:x": {}}}, "f:s": {'v:"y"': {}}}
    assert FieldSet.from_fields(fields).to_fields() == fields
