from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers.make import deployment, sized
from pybernetes.api.models import apps_v1
from pybernetes.controllers.deployment_rollout import (
    Scale,
    bounds,
    is_scaling,
    max_replicas,
    recreate,
    replicas_of,
    roll,
    scale,
    size_of_new,
)


def named(scales: tuple[Scale, ...]) -> dict[str, int]:
    return {each.replica_set.metadata.name: each.to for each in scales}


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (10, "25%", "25%", (3, 2)),
        (3, "25%", "25%", (1, 0)),
        (1, "25%", "25%", (1, 0)),
        (4, 0, 0, (0, 1)),
        (2, 5, 5, (5, 2)),
        (10, "100%", "0%", (10, 0)),
    ],
)
def test_surge_rounds_up_and_unavailable_rounds_down(
    replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    assert bounds(deployment(replicas=replicas, max_surge=surge, max_unavailable=unavailable)) == expected


def test_the_new_one_grows_by_the_surge_first() -> None:
    assert named(roll(deployment(replicas=10), sized("new", 0), [sized("old", 10)])) == {"new": 3}


def test_old_ones_shrink_only_as_far_as_availability_allows() -> None:
    assert named(roll(deployment(replicas=10), sized("new", 3, 0), [sized("old", 10)])) == {"old": 8}
    assert roll(deployment(replicas=10), sized("new", 5, 0), [sized("old", 8)]) == ()


def test_unhealthy_old_pods_go_before_healthy_ones() -> None:
    old = [sized("older", 4, 4, age=20), sized("broken", 6, 0, age=10)]
    scaled = named(roll(deployment(replicas=10), sized("new", 3, 3), old))
    assert scaled["broken"] < 6
    assert "older" not in scaled


def test_a_new_one_that_is_too_large_is_cut() -> None:
    assert named(roll(deployment(replicas=2), sized("new", 5), [])) == {"new": 2}


def test_recreate_takes_everything_old_down_first() -> None:
    web = deployment(replicas=3, strategy="Recreate")
    assert named(recreate(web, sized("new", 0), [sized("old", 3)])) == {"old": 0}
    assert named(recreate(web, sized("new", 0), [sized("old", 0)])) == {"new": 3}


def test_the_only_active_one_follows_the_deployments_size() -> None:
    assert named(scale(deployment(replicas=7), sized("new", 3), [sized("old", 0)])) == {"new": 7}


def test_a_resize_in_the_midst_of_a_rollout_is_in_proportion() -> None:
    web = deployment(replicas=15, max_surge=3, max_unavailable=2)
    new, old = sized("new", 5, max_replicas=13, age=0), sized("old", 8, max_replicas=13, age=10)
    assert named(scale(web, new, [old])) == {"new": 7, "old": 11}


def test_shrinking_to_nothing_takes_all_down() -> None:
    new, old = sized("new", 5, max_replicas=13), sized("old", 8, max_replicas=13, age=10)
    assert named(scale(deployment(replicas=0), new, [old])) == {"new": 0, "old": 0}


def test_a_changed_size_is_known_by_the_annotation() -> None:
    each = sized("new", 3)
    annotated = msgspec.structs.replace(
        each,
        metadata=msgspec.structs.replace(each.metadata, annotations={"deployment.kubernetes.io/desired-replicas": "3"}),
    )
    assert not is_scaling(deployment(replicas=3), [annotated])
    assert is_scaling(deployment(replicas=4), [annotated])


@given(
    replicas=st.integers(1, 30),
    surge=st.integers(0, 10),
    unavailable=st.integers(0, 10),
    old_size=st.integers(0, 30),
)
def test_a_rollout_always_ends_and_never_leaves_its_bounds(
    replicas: int, surge: int, unavailable: int, old_size: int
) -> None:
    web = deployment(replicas=replicas, max_surge=surge, max_unavailable=unavailable)
    start = min(old_size, replicas)
    new, old = sized("new", 0), sized("old", start, age=10)
    least = min(replicas - bounds(web)[1], start)
    for _ in range(200):
        steps = roll(web, new, [old])
        if not steps:
            break
        for step in steps:
            # Pods start late and go at once: the worst for availability.
            if step.replica_set is new:
                new = _resized(new, step.to, min(replicas_of(new), step.to))
            else:
                old = _resized(old, step.to, step.to)
        assert replicas_of(new) + replicas_of(old) <= max(max_replicas(web), start)
        assert new.status.available_replicas + old.status.available_replicas >= least
        new = _resized(new, replicas_of(new), replicas_of(new))
    assert (replicas_of(new), replicas_of(old)) == (replicas, 0)


def _resized(each: apps_v1.ReplicaSet, replicas: int, available: int) -> apps_v1.ReplicaSet:
    return msgspec.structs.replace(
        each,
        spec=msgspec.structs.replace(each.spec, replicas=replicas),
        status=msgspec.structs.replace(each.status, replicas=replicas, available_replicas=available),
    )


def test_a_first_replica_set_gets_its_full_size_at_once() -> None:
    assert size_of_new(deployment(replicas=3), 0, 0) == 3


def test_a_status_that_still_counts_deleted_pods_is_not_trusted() -> None:
    web = deployment(replicas=4, max_surge=1, max_unavailable=1)
    assert named(roll(web, sized("new", 2, 1), [sized("old", 3, 4)])) == {"old": 2}


def test_old_ones_wait_for_a_new_one_that_has_not_said_yet_what_became_of_its_size() -> None:
    web = deployment(replicas=4, max_surge=1, max_unavailable=1)
    new = sized("new", 2, 2)
    unheard = msgspec.structs.replace(new, metadata=msgspec.structs.replace(new.metadata, generation=1))
    assert roll(web, unheard, [sized("old", 3, 3)]) == ()
    assert named(roll(web, new, [sized("old", 3, 3)])) == {"old": 1}
