"""How large each ReplicaSet of a Deployment should be now: pure decisions, one step at a time.

Guarantees
  While rolling there are never more than replicas + maxSurge pods, and unless pods fail of themselves never fewer
  than replicas - maxUnavailable available ones.
  Pods that are not ready go before healthy ones, old ReplicaSets before young.
  A Deployment resized in the middle of a rollout, or while paused, is resized in proportion.
  Recreate starts nothing new before every old pod is gone.
Follows pkg/controller/deployment/{rolling,recreate,sync}.go.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pybernetes.api.models import apps_v1, core_v1
from pybernetes.controllers.deployment_revisions import DESIRED_REPLICAS, MAX_REPLICAS, by_age
from pybernetes.controllers.int_or_percent import rounded_down, rounded_up

NO_DEADLINE = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Scale:
    replica_set: apps_v1.ReplicaSet
    to: int


def replicas_of(value: apps_v1.ReplicaSet | apps_v1.Deployment) -> int:
    replicas: int | None = value.spec.replicas
    return 1 if replicas is None else replicas


def is_rolling(deployment: apps_v1.Deployment) -> bool:
    return (deployment.spec.strategy.type or "RollingUpdate") == "RollingUpdate"


def bounds(deployment: apps_v1.Deployment) -> tuple[int, int]:
    """(maxSurge, maxUnavailable) in pods; both zero would never move, so then one may be unavailable."""
    replicas = replicas_of(deployment)
    if not is_rolling(deployment):
        return 0, 0
    rolling = deployment.spec.strategy.rolling_update
    surge = rounded_up(rolling.max_surge if rolling else None, replicas)
    unavailable = rounded_down(rolling.max_unavailable if rolling else None, replicas)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def max_replicas(deployment: apps_v1.Deployment) -> int:
    return replicas_of(deployment) + bounds(deployment)[0]


def size_of_new(deployment: apps_v1.Deployment, present: int, total: int) -> int:
    """How large the new ReplicaSet may be, when it is `present` large and all together are `total`."""
    wanted = replicas_of(deployment)
    if present > wanted or not is_rolling(deployment):
        return wanted
    room = max_replicas(deployment) - total
    return present if room <= 0 else present + min(room, wanted - present)


def roll(
    deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, old: Sequence[apps_v1.ReplicaSet]
) -> tuple[Scale, ...]:
    """One step of a rolling update: first the new one up, and when that cannot be, the old ones down."""
    size = size_of_new(deployment, replicas_of(new), sum(map(replicas_of, (new, *old))))
    if size != replicas_of(new):
        return (Scale(new, size),)
    return _shrink_old(deployment, new, old)


def _shrink_old(
    deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet, old: Sequence[apps_v1.ReplicaSet]
) -> tuple[Scale, ...]:
    sizes = {each.metadata.name: replicas_of(each) for each in old}
    total = sum(sizes.values())
    if total == 0:
        return ()
    least = replicas_of(deployment) - bounds(deployment)[1]
    new_unavailable = replicas_of(new) - _surely_available(new)
    spare = total + replicas_of(new) - least - new_unavailable
    if spare <= 0:
        return ()
    ordered = by_age(old)
    for each in ordered:
        unhealthy = min(spare, max(sizes[each.metadata.name] - _available(each), 0))
        sizes[each.metadata.name] -= unhealthy
        spare -= unhealthy
    spare_healthy = sum(map(_surely_available, (new, *old))) - least
    for each in ordered:
        healthy = min(max(spare_healthy, 0), sizes[each.metadata.name])
        sizes[each.metadata.name] -= healthy
        spare_healthy -= healthy
    return _changes(old, sizes)


def recreate(
    deployment: apps_v1.Deployment,
    new: apps_v1.ReplicaSet | None,
    old: Sequence[apps_v1.ReplicaSet],
) -> tuple[Scale, ...]:
    """Old ones to nothing; when they are, the new one to its full size."""
    down = tuple(Scale(each, 0) for each in old if replicas_of(each))
    if down or new is None or replicas_of(new) == replicas_of(deployment):
        return down
    return (Scale(new, replicas_of(deployment)),)


def old_pods_run(old: Sequence[apps_v1.ReplicaSet], pods: Mapping[str, Sequence[core_v1.Pod]]) -> bool:
    """Whether pods of old ReplicaSets are not gone yet; `pods` by the uid of their ReplicaSet."""
    if any(each.status.replicas for each in old):
        return True
    return any(
        pod.status.phase not in ("Failed", "Succeeded") for each in old for pod in pods.get(each.metadata.uid, ())
    )


def is_scaling(deployment: apps_v1.Deployment, replica_sets: Iterable[apps_v1.ReplicaSet]) -> bool:
    """Whether the Deployment's size changed since its ReplicaSets were last sized."""
    return any(
        (desired := each.metadata.annotations.get(DESIRED_REPLICAS, "")).isdecimal()
        and int(desired) != replicas_of(deployment)
        for each in replica_sets
        if replicas_of(each) > 0
    )


def scale(
    deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet | None, old: Sequence[apps_v1.ReplicaSet]
) -> tuple[Scale, ...]:
    """Sizes after the Deployment was resized: without a rollout, or in the midst of one."""
    everyone = [*old, *([new] if new is not None else [])]
    active = [each for each in everyone if replicas_of(each) > 0]
    if len(active) <= 1:
        only = active[0] if active else new or (by_age(old)[-1] if old else None)
        return () if only is None else (Scale(only, replicas_of(deployment)),)
    if new is not None and _is_saturated(deployment, new):
        return tuple(Scale(each, 0) for each in old if replicas_of(each))
    return _in_proportion(deployment, active) if is_rolling(deployment) else ()


def _is_saturated(deployment: apps_v1.Deployment, new: apps_v1.ReplicaSet) -> bool:
    wanted = replicas_of(deployment)
    return (
        new.metadata.annotations.get(DESIRED_REPLICAS) == str(wanted)
        and replicas_of(new) == wanted
        and _available(new) == wanted
    )


def _in_proportion(deployment: apps_v1.Deployment, active: Sequence[apps_v1.ReplicaSet]) -> tuple[Scale, ...]:
    allowed = max_replicas(deployment) if replicas_of(deployment) else 0
    to_add = allowed - sum(map(replicas_of, active))
    aged = by_age(active)
    ordered = sorted(reversed(aged) if to_add > 0 else aged, key=replicas_of, reverse=True)
    sizes = {each.metadata.name: replicas_of(each) for each in ordered}
    added = 0
    for each in ordered:
        share = _share(deployment, each, to_add, added)
        sizes[each.metadata.name] += share
        added += share
    largest = ordered[0].metadata.name
    sizes[largest] = max(sizes[largest] + to_add - added, 0)
    return tuple(Scale(each, sizes[each.metadata.name]) for each in ordered)


def _share(deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet, to_add: int, added: int) -> int:
    if to_add in (0, added):
        return 0
    fraction = _fraction(deployment, replica_set)
    rest = to_add - added
    return min(fraction, rest) if to_add > 0 else max(fraction, rest)


def _fraction(deployment: apps_v1.Deployment, replica_set: apps_v1.ReplicaSet) -> int:
    size = replicas_of(replica_set)
    if replicas_of(deployment) == 0:
        return -size
    text = replica_set.metadata.annotations.get(MAX_REPLICAS, "")
    before = int(text) if text.isdecimal() and int(text) else deployment.status.replicas
    if before == 0:
        return 0
    return math.floor(size * max_replicas(deployment) / before + 0.5) - size


def _changes(replica_sets: Iterable[apps_v1.ReplicaSet], sizes: Mapping[str, int]) -> tuple[Scale, ...]:
    return tuple(
        Scale(each, sizes[each.metadata.name])
        for each in by_age(replica_sets)
        if sizes[each.metadata.name] != replicas_of(each)
    )


def _available(replica_set: apps_v1.ReplicaSet) -> int:
    """Pods that will stay available: a status that is not up to date yet counts some that are being deleted."""
    return min(replica_set.status.available_replicas, replicas_of(replica_set))


def _surely_available(replica_set: apps_v1.ReplicaSet) -> int:
    """Upstream takes the status as it stands. One that is behind its spec may count pods of a size between, which are
    gone already: a set that was shrunk and, before that was reported, grown again."""
    behind = replica_set.status.observed_generation < replica_set.metadata.generation
    return 0 if behind else _available(replica_set)
