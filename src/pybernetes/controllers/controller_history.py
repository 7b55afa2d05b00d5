"""ControllerRevisions: the past pod templates of a DaemonSet or StatefulSet, numbered from 1.

Rule  A revision is known by its data. The present template has the highest number: when an old one is wanted again,
its revision is given a new number instead of being made twice.
Follows pkg/controller/history/controller_history.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api import meta
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.controllers.deployment_revisions import template_hash

HASH_LABEL = "controller-revision-hash"
DEFAULT_LIMIT = 10


@dataclass(frozen=True, slots=True)
class History:
    """``current`` is the revision of the present template: made, renumbered or as it was."""

    current: apps_v1.ControllerRevision
    create: bool
    update: bool
    delete: tuple[apps_v1.ControllerRevision, ...]

    @property
    def hash(self) -> str:
        return self.current.metadata.labels.get(HASH_LABEL, "")


def template_data(template: core_v1.PodTemplateSpec) -> dict[str, Any]:
    """What a revision holds: a patch that puts the template back."""
    return {"spec": {"template": {**msgspec.to_builtins(template), "$patch": "replace"}}}


def plan_history(
    owner: Any,
    revisions: Sequence[apps_v1.ControllerRevision],
    hashes_in_use: Iterable[str],
) -> History:
    """`revisions` are those the owner controls."""
    data = template_data(owner.spec.template)
    ordered = sorted(revisions, key=lambda one: one.revision)
    highest = ordered[-1].revision if ordered else 0
    known = next((one for one in reversed(ordered) if one.data == data), None)
    if known is None:
        current, create, update = _revision(owner, data, highest + 1), True, False
    else:
        update = known.revision < highest
        current = msgspec.structs.replace(known, revision=highest + 1) if update else known
        create = False
    old = [one for one in ordered if one is not known]
    return History(current, create, update, _superfluous(owner, old, frozenset(hashes_in_use)))


def _revision(owner: Any, data: dict[str, Any], number: int) -> apps_v1.ControllerRevision:
    digest = template_hash(owner.spec.template, owner.status.collision_count)
    return apps_v1.ControllerRevision(
        metadata=meta_v1.ObjectMeta(
            name=f"{owner.metadata.name}-{digest}",
            namespace=owner.metadata.namespace,
            labels={**owner.spec.template.metadata.labels, HASH_LABEL: digest},
            annotations=dict(owner.metadata.annotations),
            owner_references=[meta.owner_reference(owner, controller=True)],
        ),
        data=data,
        revision=number,
    )


def _superfluous(
    owner: Any, old: Sequence[apps_v1.ControllerRevision], in_use: frozenset[str]
) -> tuple[apps_v1.ControllerRevision, ...]:
    limit = DEFAULT_LIMIT if owner.spec.revision_history_limit is None else owner.spec.revision_history_limit
    unused = [one for one in old if one.metadata.labels.get(HASH_LABEL, "") not in in_use]
    return tuple(unused[: max(0, len(unused) - limit)])
