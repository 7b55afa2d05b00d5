"""The deletion of an object: at once, or marked and carried out later. ``delete_plan`` decides which.

Follows k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.api import errors
from pybernetes.apiserver import delete_plan
from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.delete_plan import DeleteOptions, Mark, Pending
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.storage import MOST_RACES
from pybernetes.apiserver.updating import Updating


@dataclass(frozen=True, slots=True)
class Deleted:
    object: StoredObject
    removed: bool


class Deleting(Updating):
    async def delete(self, namespace: str, name: str, options: DeleteOptions, context: Context) -> Deleted:
        """Raises 404 when absent and 409 when a precondition does not hold."""
        for _ in range(MOST_RACES):
            current = await self.get(namespace, name)
            old = self.document_of(current)
            self._check_preconditions(name, old, current, options)
            await self.admission.admit(Attributes(Operation.DELETE, self.resource, namespace, name, context, None, old))
            done = await self._carry_out(current, old, options, context)
            if done is not None:
                await self._prepared(done.object)
                return done
        raise self.modified(name)

    async def _carry_out(
        self, current: StoredObject, old: Document, options: DeleteOptions, context: Context
    ) -> Deleted | None:
        outcome = delete_plan.plan(self.resource, old, options, context.now)
        if isinstance(outcome, Pending):
            return Deleted(current, removed=False)
        if isinstance(outcome, Mark):
            marked = await self._replace(current, outcome.document, old, context)
            return None if marked is None else Deleted(marked, removed=False)
        if context.dry_run:
            return Deleted(current, removed=True)
        removed = await self._remove(current)
        return None if removed is None else Deleted(removed, removed=True)

    def _check_preconditions(self, name: str, old: Document, current: StoredObject, options: DeleteOptions) -> None:
        uid = old["metadata"]["uid"]
        if options.uid is not None and options.uid != uid:
            raise errors.conflict(
                self.info.group_resource,
                name,
                f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {uid}",
            )
        version = options.resource_version
        if version is not None and version != str(current.revision):
            raise errors.conflict(
                self.info.group_resource,
                name,
                f"Precondition failed: ResourceVersion in precondition: {version}, "
                f"ResourceVersion in object meta: {current.revision}",
            )
