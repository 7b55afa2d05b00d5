"""The deletion of an object: at once, or marked and carried out later. ``delete_plan`` decides which.

Follows k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.api.kinds import KindInfo
from pybernetes.apiserver import delete_plan
from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.delete_plan import DeleteOptions, Mark, Pending
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.storage import MOST_RACES
from pybernetes.apiserver.updating import Updating

DELETED_AT_ONCE = 64
"""Objects that are deleted together, so that their commits are grouped."""


@dataclass(frozen=True, slots=True)
class Deleted:
    object: StoredObject
    removed: bool
    last: Callable[[], Document] | None = None
    """Makes the object as clients are shown it, where it was changed in going; None: as it was."""


class Deleting(Updating):
    async def delete(self, namespace: str, name: str, options: DeleteOptions, context: Context) -> Deleted:
        """Raises 404 when absent and 409 when a precondition does not hold."""
        for _ in range(MOST_RACES):
            current = await self.get(namespace, name)
            old = self.document_of(current)
            check_preconditions(self.rules.info, current, options)
            shown = "" if context.verb == "deletecollection" else name
            await self._judge(
                Attributes(Operation.DELETE, self.resource, namespace, shown, context, None, old), options
            )
            done = await self._carry_out(current, self.as_judged(current), options, context)
            if done is not None:
                await self._prepared(done.object)
                return done
        raise self.modified(name)

    async def delete_all(self, found: Sequence[StoredObject], options: DeleteOptions, context: Context) -> None:
        """What has gone by itself is no error. Raises what keeps an object from being deleted."""
        for start in range(0, len(found), DELETED_AT_ONCE):
            batch = found[start : start + DELETED_AT_ONCE]
            await asyncio.gather(*(self._delete_if_there(one, options, context) for one in batch))

    async def _delete_if_there(self, stored: StoredObject, options: DeleteOptions, context: Context) -> None:
        try:
            await self.delete(stored.namespace, stored.name, options, context)
        except errors.ApiError as error:
            if error.code != 404:
                raise

    async def _judge(self, attributes: Attributes, options: DeleteOptions) -> None:
        """Those who validate see how long the object has, where its kind knows such a time."""
        context = attributes.context
        judge = context.judge or self.admission
        await judge.mutate(attributes)
        grace = self.resource.rules.grace
        if grace is not None and context.options is not None and attributes.old is not None:
            stated = {**context.options, "gracePeriodSeconds": grace(attributes.old, options.grace)}
            attributes = replace(attributes, context=replace(context, options=stated))
        await judge.validate(attributes)

    async def _carry_out(
        self, current: StoredObject, old: Document, options: DeleteOptions, context: Context
    ) -> Deleted | None:
        outcome = delete_plan.plan(self.resource, old, options, context.now)
        if isinstance(outcome, Pending):
            return Deleted(current, removed=False)
        if isinstance(outcome, Mark):
            marked = await self._replace(current, outcome.document, old, context)
            return None if marked is None else Deleted(marked, removed=False)
        if not context.dry_run:
            removed = await self._remove(current)
            if removed is None:
                return None
            current = removed
        return Deleted(current, removed=True, last=outcome.last)

    async def shown(self, deleted: Deleted) -> StoredObject:
        """The object as a client is told of it."""
        if deleted.last is None:
            return deleted.object
        key, revision = deleted.object.key, deleted.object.revision
        return StoredObject(self.form, self.prefix, key, await self._encode(deleted.last()), revision)


def check_preconditions(info: KindInfo, current: StoredObject, options: DeleteOptions) -> None:
    """Raises 409 when the object is not the one, or not as, the client thinks."""
    if info.group_resource in _WITH_OWN_WORDS:
        _check_in_own_words(info, current, options)
    uid = current.document["metadata"]["uid"] if options.uid is not None else None
    if options.uid != uid:
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({uid}). "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict(f"{info.kind}.{info.group}" if info.group else info.kind, current.name, why)
    version = options.resource_version
    if version is not None and version != str(current.revision):
        why = (
            f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
            f"({current.revision}). The object might have been modified"
        )
        raise errors.conflict(f"{info.kind}.{info.group}" if info.group else info.kind, current.name, why)


_WITH_OWN_WORDS = ("namespaces", "customresourcedefinitions.apiextensions.k8s.io")


def _check_in_own_words(info: KindInfo, current: StoredObject, options: DeleteOptions) -> None:
    """Follows Delete in pkg/registry/core/namespace/storage."""
    stated = (
        ("UID", options.uid, current.document["metadata"]["uid"]),
        ("ResourceVersion", options.resource_version, str(current.revision)),
    )
    for what, wanted, found in stated:
        if wanted is not None and wanted != found:
            why = f"Precondition failed: {what} in precondition: {wanted}, {what} in object meta: {found}"
            raise errors.conflict(info.group_resource, current.name, why)
