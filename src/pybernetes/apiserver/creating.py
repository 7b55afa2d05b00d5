"""The creation of an object.

Guarantees
  A name is taken once. Nothing is stored in a namespace that is not there.

Follows k8s.io/apiserver/pkg/registry/rest/create.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.api.digits import whole
from pybernetes.api.fields import FieldError, is_path_segment
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.api.patch import PatchError
from pybernetes.api.patch.managed import Managers
from pybernetes.apiserver import tracking
from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.empty_lists import Steps
from pybernetes.apiserver.naming import ATTEMPTS, generated_name, new_uid
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.owners import REPEATED, REPEATED_AFTER, drop_repeated_owners
from pybernetes.apiserver.resource import NOTHING_RESERVED, Context, Document, Reservation
from pybernetes.apiserver.storage import Storage, forget_what_the_server_sets
from pybernetes.apiserver.unconverted import Unconverted, converting
from pybernetes.apiserver.validation.metadata import check_common_metadata
from pybernetes.store.contract import Committed, Condition, Exists, ModRevisionIs, Put


class Creating(Storage):
    async def create(
        self,
        namespace: str,
        document: Document,
        context: Context,
        managers: Managers | None = None,
        emptied: Sequence[Steps] = (),
    ) -> StoredObject:
        """``managers`` are those of an object that an apply creates; ``emptied`` as in a ``Proposal``."""
        self._place(namespace, document)
        metadata = document["metadata"]
        prefix = "" if metadata.get("name") else metadata.get("generateName", "")
        self._default(document)
        if self._judges_stored:
            document = self._shown(self._judged(document))
        drop_repeated_owners(document, context, REPEATED)
        if managers is None:
            of_new = partial(self._managers_of_new, tracking.take(document), document, context, emptied)
            try:
                managers = of_new()
            except Unconverted as asked:
                managers = await converting(asked, of_new)
        tracking.record(document, managers)
        attributes = Attributes(Operation.CREATE, self.resource, namespace, metadata.get("name", ""), context, document)
        await self.admission.mutate(attributes)
        drop_repeated_owners(document, context, REPEATED_AFTER)
        metadata = document["metadata"]
        if prefix:
            metadata["name"] = await self._free_name(namespace, prefix)
            self._default_name_dependent(document)
            attributes = replace(attributes, name=metadata["name"])
        if self._judges_stored:
            document = self._judged(document)
        metadata = document["metadata"]
        reservation = self._reserve(document, None, context)
        try:
            self._prepare_create(document, context)
            self._reject(metadata.get("name", ""), self._problems_of_new(document))
            if self.rules.warnings is not None:
                context.warnings.extend(self.rules.warnings(document))
            await self.admission.validate(self._about(attributes, document))
        except BaseException:
            reservation.cancel()
            raise
        created = await self._insert(namespace, document, context, reservation)
        if created is None:
            raise await self._refused(namespace, metadata)
        return created if self._custom is None else await self._prepared(created)

    async def _free_name(self, namespace: str, prefix: str) -> str:
        """Known before the object is prepared: kinds put their name into labels."""
        for _ in range(ATTEMPTS):
            name = generated_name(prefix, self._random)
            if await self.find(namespace, name) is None:
                return name
        raise self._not_generated(name)

    def _place(self, namespace: str, document: Document) -> None:
        metadata = document.setdefault("metadata", {})
        forget_what_the_server_sets(metadata)
        stated = metadata.get("namespace", "")
        if stated and namespace and stated != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if namespace:
            metadata["namespace"] = namespace
        else:
            metadata.pop("namespace", None)

    def _default_name_dependent(self, document: Document) -> None:
        """Defaults that follow from the name (a namespace's own label) come once the name is known."""
        if not self.info.namespaced:
            self._default(document)

    def _managers_of_new(
        self, sent: Managers, document: Document, context: Context, emptied: Sequence[Steps]
    ) -> Managers:
        if not context.manager:
            return {}
        author = tracking.author_of(self.info, context, "")
        try:
            if self._custom is not None:
                self._check_reset(document, {}, "")
            managers = self.newcomers.managers(document, author, sent)
        except PatchError:
            return {}
        return tracking.with_emptied(managers, emptied, author, self.kept_through("")) if emptied else managers

    def _prepare_create(self, document: Document, context: Context) -> None:
        metadata = document["metadata"]
        metadata["uid"] = new_uid(self._random)
        metadata["creationTimestamp"] = format_time(context.now)
        if self.rules.generation is not None:
            metadata["generation"] = 1
        if self._has_status:
            initial = self.rules.initial_status
            document["status"] = initial(document) if initial else {}
            if document["status"] is None:
                del document["status"]
        if self.rules.drops is not None:
            self.rules.drops(document)
        if self.rules.prepare_create is not None:
            self.rules.prepare_create(document, context)

    def _problems_of_new(self, document: Document) -> Iterable[FieldError]:
        if self.rules.validate is None:
            return ()
        model = self._model(document)
        if not self.rules.common_metadata:
            return self.rules.validate(model)
        metadata = check_common_metadata(model.metadata, is_path_segment, namespaced=self.info.namespaced)
        return list(self.rules.validate(model)) or metadata

    async def _insert(
        self, namespace: str, document: Document, context: Context, reservation: Reservation
    ) -> StoredObject | None:
        """None when the name is taken."""
        if reservation is NOTHING_RESERVED:
            return await self._put_new(namespace, document, context, reservation)
        return await self._reserved(
            reservation, context, lambda: self._put_new(namespace, document, context, reservation)
        )

    async def _put_new(
        self, namespace: str, document: Document, context: Context, reservation: Reservation
    ) -> StoredObject | None:
        metadata = document["metadata"]
        key, stated = self.key(namespace, metadata["name"]), _version(metadata.pop("resourceVersion", ""))
        if context.dry_run:
            if await self.find(namespace, metadata["name"]) is not None:
                return None
            return StoredObject(self.form, self.prefix, key, await self._encode(document), stated)
        if stated:
            raise errors.ApiError(500, "", "resourceVersion should not be set on objects to be created")
        creatable = self._creatable(key, namespace)
        while True:
            value = self.form.to_stored(document) if self._as_stored else await self._encode(document)
            writes = (Put(key, value), *reservation.write)
            outcome = await self._commit("create", (*creatable, *reservation.require), writes)
            if isinstance(outcome, Committed):
                return StoredObject(self.form, self.prefix, key, value, outcome.revision)
            if isinstance(outcome.failed, Exists):
                raise errors.not_found("namespaces", namespace)
            if not reservation.overtaken(outcome.failed):
                return None

    def _creatable(self, key: str, namespace: str) -> Sequence[Condition]:
        """The name is free, and the namespace has not gone since it was looked at."""
        if self._namespaces:
            return ModRevisionIs(key, 0), Exists(self._namespaces + namespace)
        return (ModRevisionIs(key, 0),)

    async def _refused(self, namespace: str, metadata: Document) -> errors.ApiError:
        name = metadata["name"]
        if metadata.get("generateName"):
            return self._not_generated(name)
        error = errors.already_exists(self.info.group_resource, name)
        there = await self.find(namespace, name)
        if there is not None and there.document["metadata"].get("deletionTimestamp"):
            error.message = f"object is being deleted: {error.message}"
        return error

    def _not_generated(self, name: str) -> errors.ApiError:
        """Said of every taken name of an object that has a generateName, even if the client chose the name itself."""
        kind = KindInfo(self.rules.info.group, "", "", self.info.plural, self.info.namespaced)
        error = errors.already_exists(kind.group_resource, name)
        error.message += ", the server was not able to generate a unique name for the object"
        error.retry_after = 1
        return error


def _version(stated: str) -> int:
    """What a client took for the version of an object that is not there: 0 for none, or what is no version."""
    return whole(stated) if stated.isascii() and stated.isdigit() else 0
