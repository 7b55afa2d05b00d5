"""The generic storage of one kind: documents in, stored objects out, every rule of the kind applied on the way.

Guarantees
  A write is stored only if the object is as the writer last saw it; lost races are tried again unless the
  client said which version it meant.
  An update that changes nothing is not stored and has the old revision.
  Nothing is stored in a namespace that is not there.
  What a kind reserves for a write (addresses, ports) is given back when the write fails.

Follows k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

import msgspec

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, invalid_as
from pybernetes.api.meta import format_time
from pybernetes.api.schema import Shape, shape_of
from pybernetes.apiserver import delete_plan
from pybernetes.apiserver.admission.contract import Attributes, Chain, Operation
from pybernetes.apiserver.applying import author_of, ignored_fields, tracked
from pybernetes.apiserver.delete_plan import DeleteOptions, Mark, Pending
from pybernetes.apiserver.naming import ATTEMPTS, generated_name, new_uid
from pybernetes.apiserver.objects import Form, StoredObject
from pybernetes.apiserver.resource import Context, Document, Reservations, Resource
from pybernetes.apiserver.rules import Models, UpdateRule
from pybernetes.apiserver.watch_cache import ROOT, KindCache, WatchCache
from pybernetes.store.contract import Committed, Condition, Delete, Entry, Exists, ModRevisionIs, Put, Store


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an object shall be: a document of the registry's own."""

    document: Document
    pinned: bool = False
    """Made for one version only: a lost race is a conflict."""
    managed: bool = False
    """Its managers are worked out already."""


Propose = Callable[[StoredObject], Proposal]
"""From the object as it is. Raises to refuse."""

STATUS = "status"
SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")


@dataclass(frozen=True, slots=True)
class Deleted:
    object: StoredObject
    removed: bool


class Registry:
    def __init__(
        self,
        resource: Resource,
        *,
        store: Store,
        watch_cache: WatchCache,
        cache: KindCache,
        admission: Chain,
        random: Random,
        reservations: Reservations | None,
        namespaces: str = "",
    ) -> None:
        """``namespaces`` is where namespaces are stored; "" if they are not served."""
        self.resource = resource
        self.info = resource.info
        self.prefix = f"{ROOT}{resource.storage}/"
        self.watch_cache = watch_cache
        self.cache = cache
        self.form: Form = cache.form
        self.store = store
        self.admission = admission
        self._random = random
        self._reservations = reservations
        self._namespaces = namespaces if resource.info.namespaced else ""
        self._read = resource.stored.from_storage if resource.stored else None
        self._write = resource.stored.to_storage if resource.stored else None

    @cached_property
    def shape(self) -> Shape:
        return shape_of(self.info.group, self.info.version, self.info.kind)

    # reading one object

    def key(self, namespace: str, name: str) -> str:
        # The path of a Namespace names it twice: as the object, and as the namespace that access is judged by.
        return f"{self.prefix}{namespace}/{name}" if namespace and self.info.namespaced else self.prefix + name

    async def find(self, namespace: str, name: str) -> StoredObject | None:
        """The newest state. Bytes come from the cache when it has this revision already."""
        key = self.key(namespace, name)
        try:
            entry = self.store.get_now(key)
        except NotImplementedError:
            entry = await self.store.get(key)
        return None if entry is None else self._object(entry)

    async def get(self, namespace: str, name: str) -> StoredObject:
        found = await self.find(namespace, name)
        if found is None:
            raise errors.not_found(self.info.group_resource, name)
        return found

    def _object(self, entry: Entry) -> StoredObject:
        cached: StoredObject | None = self.cache.objects.get(entry.key)
        if cached is not None and cached.revision == entry.mod_revision:
            return cached
        return StoredObject.of(self.form, self.prefix, entry)

    def at_entry(self, entry: Entry) -> StoredObject:
        return self._object(entry)

    def document_of(self, stored: StoredObject) -> Document:
        """In the served version. Read-only."""
        if self._read is None:
            return stored.document
        return {**self._read(stored.fresh_document()), **self.identity()}

    def fresh_document_of(self, stored: StoredObject) -> Document:
        return stored.fresh_document() if self._read is None else self.document_of(stored)

    def identity(self) -> Document:
        return {"apiVersion": self.info.api_version, "kind": self.info.kind}

    # create

    async def create(
        self, namespace: str, document: Document, context: Context, managers: Sequence[Document] = ()
    ) -> StoredObject:
        """``managers`` are the managedFields of an object that an apply creates."""
        self._place(namespace, document)
        metadata = document["metadata"]
        prefix = "" if metadata.get("name") else metadata.get("generateName", "")
        self._default(document)
        attributes = Attributes(Operation.CREATE, self.resource, namespace, metadata.get("name", ""), context, document)
        await self.admission.mutate(attributes)
        if prefix:
            metadata["name"] = await self._free_name(namespace, prefix)
            self._default_name_dependent(document)
        self._prepare_create(document, context)
        if managers:
            metadata["managedFields"] = list(managers)
        reject(self.info, metadata.get("name", ""), self._problems_of_new(document))
        await self.admission.validate(attributes)
        created = await self._insert(namespace, document, context)
        if created is None:
            raise self._taken(metadata["name"], generated=bool(prefix))
        return created

    async def _free_name(self, namespace: str, prefix: str) -> str:
        """Known before the object is prepared: kinds put their name into labels."""
        for _ in range(ATTEMPTS):
            name = generated_name(prefix, self._random)
            if await self.find(namespace, name) is None:
                return name
        raise self._taken(name, generated=True)

    def _place(self, namespace: str, document: Document) -> None:
        metadata = document.setdefault("metadata", {})
        stated = metadata.get("namespace", "")
        if stated and stated != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if namespace:
            metadata["namespace"] = namespace
        if metadata.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")

    def _default(self, document: Document) -> None:
        if self.resource.defaults is not None:
            self.resource.defaults(document)

    def _default_name_dependent(self, document: Document) -> None:
        """Defaults that follow from the name (a namespace's own label) come once the name is known."""
        if not self.info.namespaced:
            self._default(document)

    def _prepare_create(self, document: Document, context: Context) -> None:
        metadata = document["metadata"]
        for owned in (*SERVER_OWNED, "resourceVersion", "selfLink", "managedFields"):
            metadata.pop(owned, None)
        metadata["uid"] = new_uid(self._random)
        metadata["creationTimestamp"] = format_time(context.now)
        if self.resource.generation is not None:
            metadata["generation"] = 1
        if self.resource.has_status:
            initial = self.resource.initial_status
            document["status"] = initial(document) if initial else {}
        if self.resource.prepare_create is not None:
            self.resource.prepare_create(document, context)

    def _problems_of_new(self, document: Document) -> Iterable[FieldError]:
        if self.resource.validate is None:
            return ()
        return self.resource.validate(self._model(document))

    @cached_property
    def _model_type(self) -> type[Any] | None:
        """None for kinds that have no model: their rules judge documents."""
        return self.info.model if self.info.module else None

    def _model(self, document: Document) -> Any:
        return document if self._model_type is None else msgspec.convert(document, self._model_type)

    async def _insert(self, namespace: str, document: Document, context: Context) -> StoredObject | None:
        """None when the name is taken."""
        key = self.key(namespace, document["metadata"]["name"])
        if context.dry_run and await self.find(namespace, document["metadata"]["name"]) is not None:
            return None
        reservation = await self._reservations.reserve(document, None, context) if self._reservations else None
        kept = False
        try:
            value = self._encode(document)
            if context.dry_run:
                return StoredObject(self.form, self.prefix, key, value, 0)
            outcome = await self.store.transact(require=self._creatable(key, namespace), write=(Put(key, value),))
            kept = isinstance(outcome, Committed)
        finally:
            if reservation is not None:
                reservation.confirm() if kept else reservation.cancel()
        if not isinstance(outcome, Committed):
            if isinstance(outcome.failed, Exists):
                raise errors.not_found("namespaces", namespace)
            return None
        return StoredObject(self.form, self.prefix, key, value, outcome.revision)

    def _creatable(self, key: str, namespace: str) -> Sequence[Condition]:
        """The name is free, and the namespace has not gone since it was looked at."""
        if self._namespaces:
            return ModRevisionIs(key, 0), Exists(self._namespaces + namespace)
        return (ModRevisionIs(key, 0),)

    def _encode(self, document: Document) -> bytes:
        return self.form.to_stored(document if self._write is None else self._write(document))

    def _taken(self, name: str, *, generated: bool) -> errors.ApiError:
        error = errors.already_exists(self.info.group_resource, name)
        if generated:
            error.message += f", the server was not able to generate a unique name after {ATTEMPTS} attempts"
        return error

    # update

    async def update(
        self,
        namespace: str,
        name: str,
        propose: Propose,
        context: Context,
        rule: UpdateRule,
    ) -> StoredObject:
        """Raises 404 when absent and 409 when the version that the client stated is not the current one."""
        for _ in range(ATTEMPTS):
            current = await self.get(namespace, name)
            old = self.fresh_document_of(current)
            proposal = propose(current)
            new = proposal.document
            self._check_identity(new, old, current)
            self._keep_server_owned(new, old)
            self._default(new)
            if not proposal.managed:
                self._keep_managers(new, old, rule.subresource)
            attributes = Attributes(
                Operation.UPDATE, self.resource, namespace, name, context, new, old, rule.subresource
            )
            rule.prepare(new, old, context)
            await self.admission.mutate(attributes)
            if rule.subresource != STATUS:
                self._raise_generation(new, old)
            if not proposal.managed and "managedFields" in old["metadata"]:
                new = self._tracked(new, old, context, rule.subresource)
            reject(self.info, name, rule.problems(Models(new, old, self._model)))
            await self.admission.validate(attributes)
            written = await self._replace(current, new, old, context)
            if written is not None:
                return written
            if proposal.pinned:
                break
        raise self.modified(name)

    def modified(self, name: str) -> errors.ApiError:
        return errors.conflict(
            self.info.group_resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )

    def _check_identity(self, new: Document, old: Document, current: StoredObject) -> None:
        """A stated version must be the current one, and so must a stated uid."""
        metadata, name = new["metadata"], old["metadata"]["name"]
        self._check_same_place(metadata, old["metadata"])
        uid = metadata.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            raise errors.conflict(
                self.info.group_resource,
                name,
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}",
            )
        stated = metadata.get("resourceVersion", "")
        if stated and stated != "0" and stated != str(current.revision):
            raise self.modified(name)
        if not stated and not self.resource.allows_unconditional_update:
            reject(self.info, name, [must_state_version()])
        metadata["resourceVersion"] = str(current.revision)

    def _check_same_place(self, new: Document, old: Document) -> None:
        if new.get("name") != old["name"]:
            raise errors.bad_request(
                f"the name of the object ({new.get('name', '')}) does not match the name on the URL ({old['name']})"
            )
        if new.setdefault("namespace", old.get("namespace", "")) != old.get("namespace", ""):
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        if not new["namespace"]:
            del new["namespace"]

    def _keep_server_owned(self, new: Document, old: Document) -> None:
        metadata, before = new["metadata"], old["metadata"]
        for owned in SERVER_OWNED:
            if owned in before:
                metadata[owned] = before[owned]
            else:
                metadata.pop(owned, None)
        metadata.pop("selfLink", None)
        if "generateName" in before:
            metadata["generateName"] = before["generateName"]

    def _keep_managers(self, new: Document, old: Document, subresource: str) -> None:
        """Clients may reset the managers through the main door; nobody begins to be tracked by an update."""
        metadata = new["metadata"]
        if "managedFields" not in old["metadata"]:
            metadata.pop("managedFields", None)
        elif subresource or metadata.get("managedFields") is None:
            metadata["managedFields"] = old["metadata"]["managedFields"]

    def _tracked(self, new: Document, old: Document, context: Context, subresource: str) -> Document:
        author = author_of(self.info, context, subresource)
        return tracked(old, new, self.shape, author, ignored_fields(self.resource, subresource))

    def _raise_generation(self, new: Document, old: Document) -> None:
        rule = self.resource.generation
        if rule is not None and rule(new, old):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    async def _replace(
        self, current: StoredObject, new: Document, old: Document, context: Context
    ) -> StoredObject | None:
        """None when somebody else was faster."""
        if new == self.document_of(current):
            return current
        if delete_plan.is_finished(self.resource, new, old):
            return await self._remove_finished(current, new, context)
        reservation = await self._reservations.reserve(new, old, context) if self._reservations else None
        kept = False
        try:
            value = self._encode(new)
            if context.dry_run:
                return StoredObject(self.form, self.prefix, current.key, value, current.revision)
            outcome = await self.store.transact(
                require=(ModRevisionIs(current.key, current.revision),), write=(Put(current.key, value),)
            )
            kept = isinstance(outcome, Committed)
        finally:
            if reservation is not None:
                reservation.confirm() if kept else reservation.cancel()
        if not isinstance(outcome, Committed):
            return None
        return StoredObject(self.form, self.prefix, current.key, value, outcome.revision)

    async def _remove_finished(self, current: StoredObject, new: Document, context: Context) -> StoredObject | None:
        if not context.dry_run and await self._remove(current) is None:
            return None
        return StoredObject(self.form, self.prefix, current.key, self._encode(new), current.revision)

    # delete

    async def delete(self, namespace: str, name: str, options: DeleteOptions, context: Context) -> Deleted:
        """Raises 404 when absent and 409 when a precondition does not hold."""
        for _ in range(ATTEMPTS):
            current = await self.get(namespace, name)
            old = self.document_of(current)
            self._check_preconditions(name, old, current, options)
            await self.admission.validate(
                Attributes(Operation.DELETE, self.resource, namespace, name, context, None, old)
            )
            done = await self._carry_out(current, old, options, context)
            if done is not None:
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

    async def _remove(self, current: StoredObject) -> StoredObject | None:
        """The object as it was, at the revision of its deletion; None when it has changed meanwhile."""
        outcome = await self.store.transact(
            require=(ModRevisionIs(current.key, current.revision),), write=(Delete(current.key),)
        )
        if not isinstance(outcome, Committed):
            return None
        if self._reservations is not None:
            self._reservations.release(self.document_of(current))
        return current.at(outcome.revision)

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


def reject(info: Any, name: str, problems: Iterable[FieldError]) -> None:
    found = list(problems)
    if found:
        raise errors.invalid(info.group, info.kind, name, found)


def must_state_version() -> FieldError:
    return invalid_as(FieldPath("metadata").resourceVersion, "0x0", "must be specified for an update")
