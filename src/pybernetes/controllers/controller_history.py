"""ControllerRevisions: the past pod templates of a DaemonSet or StatefulSet, numbered from 1.

Rule  A revision is known by its template. The present template has the highest number: when an old one is wanted again,
its revision is given a new number instead of being made twice.
Follows pkg/controller/history/controller_history.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api import meta
from pybernetes.api.codec import from_document
from pybernetes.api.errors import ApiError
from pybernetes.api.models import apps_v1, core_v1, meta_v1
from pybernetes.client import Client
from pybernetes.controllers.controller import Retry
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
    """What a revision holds: a patch that puts the template back.

    Names are in order, as upstream's are: clients compare it byte for byte with what they would have written.
    """
    return {"spec": {"template": {"$patch": "replace", **msgspec.to_builtins(template, order="sorted")}}}


def template_of(revision: apps_v1.ControllerRevision) -> core_v1.PodTemplateSpec:
    """What a revision puts back."""
    template = {name: value for name, value in revision.data["spec"]["template"].items() if name != "$patch"}
    return from_document(core_v1.PodTemplateSpec, template)


def plan_history(
    owner: Any,
    revisions: Sequence[apps_v1.ControllerRevision],
    is_in_use: Callable[[apps_v1.ControllerRevision], bool],
    *,
    hash_label: str = HASH_LABEL,
) -> History:
    """`revisions` are those the owner controls; ``hash_label`` is where a revision carries its hash."""
    wanted = owner.spec.template
    ordered = sorted(revisions, key=lambda one: one.revision)
    highest = ordered[-1].revision if ordered else 0
    known = next((one for one in reversed(ordered) if template_of(one) == wanted), None)
    if known is None:
        current, create, update = _revision(owner, highest + 1, hash_label), True, False
    else:
        update = known.revision < highest
        current = msgspec.structs.replace(known, revision=highest + 1) if update else known
        create = False
    old = [one for one in ordered if one is not known]
    return History(current, create, update, _superfluous(owner, old, is_in_use))


def _revision(owner: Any, number: int, hash_label: str) -> apps_v1.ControllerRevision:
    digest = template_hash(owner.spec.template, owner.status.collision_count)
    return apps_v1.ControllerRevision(
        metadata=meta_v1.ObjectMeta(
            name=f"{owner.metadata.name}-{digest}",
            namespace=owner.metadata.namespace,
            labels={**owner.spec.template.metadata.labels, hash_label: digest},
            annotations=dict(owner.metadata.annotations),
            owner_references=[meta.owner_reference(owner, controller=True)],
        ),
        data=template_data(owner.spec.template),
        revision=number,
    )


def _superfluous(
    owner: Any,
    old: Sequence[apps_v1.ControllerRevision],
    is_in_use: Callable[[apps_v1.ControllerRevision], bool],
) -> tuple[apps_v1.ControllerRevision, ...]:
    limit = DEFAULT_LIMIT if owner.spec.revision_history_limit is None else owner.spec.revision_history_limit
    unused = [one for one in old if not is_in_use(one)]
    return tuple(unused[: max(0, len(unused) - limit)])


async def write_history(client: Client, owner: Any, history: History) -> None:
    """Raises Retry when the revision's name was another's: the owner's status then asks for another name."""
    if history.create and not await _created(client, history.current):
        collisions = (owner.status.collision_count or 0) + 1
        status = msgspec.structs.replace(owner.status, collision_count=collisions)
        await client.update_status(msgspec.structs.replace(owner, status=status))
        raise Retry(f"the name {history.current.metadata.name} is taken by another revision")
    if history.update:
        await client.update(history.current)
    for one in history.delete:
        await client.delete(apps_v1.ControllerRevision, one.metadata.name, one.metadata.namespace)


async def _created(client: Client, revision: apps_v1.ControllerRevision) -> bool:
    """So is one that an earlier pass made and the informer has not shown yet."""
    try:
        await client.create(revision)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        metadata = revision.metadata
        found = await client.get(apps_v1.ControllerRevision, metadata.name, metadata.namespace)
        return template_of(found) == template_of(revision)
    return True
