"""Where the objects of one kind are: reading one, and what every way of writing shares.

Guarantees
  ``find`` shows every acknowledged write. Documents of stored objects are shared and read-only; fresh ones are the
  caller's.
  What a kind reserves for a write (addresses, ports) is given back when the write fails, and only then.

Follows k8s.io/apiserver/pkg/registry/generic/registry/store.go.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cached_property, partial
from random import Random
from typing import Any

import msgspec
from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.api.fields import FieldError
from pybernetes.api.figures import Histograms
from pybernetes.api.patch import PatchError, checking
from pybernetes.api.patch.newcomers import Newcomers
from pybernetes.api.patch.parts import kind_of
from pybernetes.api.patch.pruning import OtherVersion, Typed
from pybernetes.api.schema import Shape, shape_of
from pybernetes.apiserver.admission.contract import Attributes, Chain
from pybernetes.apiserver.figures import REQUEST_SECONDS
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.objects import Form, StoredObject
from pybernetes.apiserver.reset_fields import Keep, kept_through
from pybernetes.apiserver.resource import (
    NOTHING_RESERVED,
    Context,
    Document,
    Reservation,
    Reservations,
    Resource,
    StatusSubresource,
)
from pybernetes.apiserver.resources.defaults import concern
from pybernetes.apiserver.versions import converted
from pybernetes.apiserver.watch_cache import ROOT, WatchCache
from pybernetes.store.contract import Committed, Condition, Delete, Entry, ModRevisionIs, Refused, Store, Write

MOST_RACES = 100
"""How often a write that was overtaken is made again."""
SERVER_OWNED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def forget_what_the_server_sets(metadata: Document) -> None:
    """Of a new object: whatever the client stated."""
    for owned in (*SERVER_OWNED, "selfLink"):
        metadata.pop(owned, None)


_NOT_RESET = frozenset(("apiVersion", "kind", "metadata", "status"))
"""Through the door of the status; the metadata is a resource's own in any case."""


class Storage:
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
        siblings: Callable[[], Iterable[Resource]] = tuple,
    ) -> None:
        """``namespaces`` is where namespaces are stored; "" if they are not served. ``siblings`` are the other
        resources as which the same objects are served."""
        self.resource = resource
        self.info = resource.info
        self.prefix = f"{ROOT}{resource.storage}/"
        self.watch_cache = watch_cache
        self.cache = cache
        self.form: Form = cache.form
        self.store = store
        self.admission = admission
        self._random = random
        self._siblings = siblings
        self._reservations = reservations
        self._namespaces = namespaces if resource.info.namespaced else ""
        self._custom = resource.custom
        self._kept: dict[str, Keep] = {}
        self.commits = Histograms(REQUEST_SECONDS)
        """How long the store took, by operation."""
        self._read = resource.stored.from_storage if resource.stored else None
        self._write = resource.stored.to_storage if resource.stored else None
        self.rules = resource.rules
        self._judges_stored = self.rules is not resource
        self._has_status = self.rules.has_status
        self._as_stored = self._read is None and self._custom is None
        self._completes_status = concern(resource.defaults, "status")
        of_status = (one for one in resource.subresources if isinstance(one, StatusSubresource))
        self._complete_status = next((one.complete for one in of_status), None)

    @cached_property
    def shape(self) -> Shape:
        if self._custom is not None:
            return self._custom.shape
        return shape_of(self.info.group, self.info.version, self.info.kind)

    @cached_property
    def typed(self) -> Typed:
        """How objects of the kind are taken apart, field by field."""
        structure = self._custom.structure if self._custom is not None else kind_of(self.shape.definition)
        others = self._custom.other_versions if self._custom is not None else self._other_versions()
        return Typed(structure, self.shape.read({}).document, others)

    def _other_versions(self) -> dict[str, OtherVersion]:
        """As which the same objects are served besides."""
        return {
            other.info.api_version: OtherVersion(
                kind_of(shape_of(other.info.group, other.info.version, other.info.kind).definition),
                partial(converted, self.resource, other),
                partial(converted, other, self.resource),
            )
            for other in self._siblings()
        }

    @cached_property
    def newcomers(self) -> Newcomers:
        return Newcomers(self.typed, self.kept_through(""))

    def _check_reset(self, new: Document, live: Document, subresource: str) -> None:
        """Nobody judges what a door of a custom resource resets. Raises PatchError where that cannot be taken apart:
        nobody manages anything then."""
        if not self._has_status or subresource not in ("", "status"):
            return
        names = ("status",) if not subresource else new.keys() - _NOT_RESET
        reset = {name: new[name] for name in names if name in new and new[name] != live.get(name)}
        wrong = checking.problems(reset, self.typed.kind) if reset else None
        if wrong:
            raise PatchError(checking.joined(wrong))

    def kept_through(self, subresource: str) -> Keep:
        """What of a set of fields can be managed through a door."""
        found = self._kept.get(subresource)
        if found is None:
            found = self._kept[subresource] = kept_through(self.resource, subresource)
        return found

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
        return None if entry is None else self.object_of(entry)

    async def get(self, namespace: str, name: str) -> StoredObject:
        found = await self.find(namespace, name)
        if found is None:
            raise errors.not_found(self.info.group_resource, name)
        return found if self._custom is None else await self._prepared(found)

    def object_of(self, entry: Entry) -> StoredObject:
        cached: StoredObject | None = self.cache.objects.get(entry.key)
        if cached is not None and cached.revision == entry.mod_revision:
            return cached
        return StoredObject.of(self.form, self.prefix, entry)

    def document_of(self, stored: StoredObject) -> Document:
        """In the served version. Read-only."""
        if self._custom is not None:
            return self._custom.read(stored)
        if self._read is None:
            return stored.document
        return {**self._read(stored.fresh_document()), **self.identity()}

    def as_judged(self, stored: StoredObject) -> Document:
        """In the form that the kind's rules are about. Read-only."""
        return stored.document if self._judges_stored else self.document_of(stored)

    def fresh_document_of(self, stored: StoredObject) -> Document:
        return stored.fresh_document() if self._as_stored else self.document_of(stored)

    async def _prepared(self, stored: StoredObject) -> StoredObject:
        """The object, ready to be read in the served version."""
        if self._custom is not None:
            await self._custom.prepare((stored,))
        return stored

    def identity(self) -> Document:
        return {"apiVersion": self.info.api_version, "kind": self.info.kind}

    def _default(self, document: Document) -> None:
        if self.resource.defaults is not None:
            self.resource.defaults(document)

    @cached_property
    def _model_type(self) -> type[Any] | None:
        """None for kinds that have no model: their rules judge documents."""
        info = self.rules.info
        return info.model if info.module else None

    def _model(self, document: Document) -> Any:
        return document if self._model_type is None else msgspec.convert(document, self._model_type)

    async def _encode(self, document: Document) -> bytes:
        if self._custom is not None:
            return self.form.to_stored(await self._custom.write(document))
        if self._write is None or self._judges_stored:
            return self.form.to_stored(document)
        return self.form.to_stored(self._write(document))

    def _judged(self, document: Document) -> Document:
        """In the form that the kind's rules are about, from which it is encoded."""
        if self._write is None or not self._judges_stored:
            return document
        return self._write(document)

    def _shown(self, judged: Document) -> Document:
        """The other way: in the served version."""
        if self._read is None or not self._judges_stored:
            return judged
        return {**self._read(judged), **self.identity()}

    def _about(self, attributes: Attributes, judged: Document) -> Attributes:
        """Of the object as it was prepared."""
        return replace(attributes, document=self._shown(judged)) if self._judges_stored else attributes

    def modified(self, name: str) -> errors.ApiError:
        return errors.conflict(
            self.info.group_resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )

    def uid_mismatch(self, metadata: Document, stated: str, *, dry_run: bool = False) -> errors.ApiError:
        """Of an object that the client thinks another one."""
        return self._precondition_failed(metadata, "UID", stated, metadata["uid"], dry_run)

    def version_mismatch(self, metadata: Document, stated: str, *, dry_run: bool = False) -> errors.ApiError:
        """Of an object that has changed since the client looked."""
        return self._precondition_failed(metadata, "ResourceVersion", stated, metadata["resourceVersion"], dry_run)

    def _precondition_failed(
        self, metadata: Document, what: str, stated: str, found: str, dry_run: bool
    ) -> errors.ApiError:
        """A dry run knows the key without the store's own prefix."""
        key = self.key(metadata.get("namespace", ""), metadata["name"])
        key = key.removeprefix(ROOT.rstrip("/")) if dry_run else key
        return errors.conflict(
            self.info.group_resource,
            metadata["name"],
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: {what} in precondition: {stated}, {what} in object meta: {found}",
        )

    def _reserve(self, new: Document, old: Document | None, context: Context) -> Reservation:
        """What the kind takes for a write; whoever asks for it ends it."""
        return NOTHING_RESERVED if self._reservations is None else self._reservations.reserve(new, old, context)

    async def _reserved(
        self, reservation: Reservation, context: Context, put: Callable[[], Awaitable[StoredObject | None]]
    ) -> StoredObject | None:
        """``put``, and the end of what was reserved for it; to the end, even when the client does not wait for it."""
        return await asyncio.shield(self._ended(reservation, context, put))

    async def _ended(
        self, reservation: Reservation, context: Context, put: Callable[[], Awaitable[StoredObject | None]]
    ) -> StoredObject | None:
        stored = None
        try:
            stored = await put()
        finally:
            if stored is None or context.dry_run:
                reservation.cancel()
            else:
                reservation.confirm()
        return stored

    async def _remove(self, current: StoredObject) -> StoredObject | None:
        """The object as it was, at the revision of its deletion; None when it has changed meanwhile."""
        if self._reservations is None:
            return await self._delete(current)
        return await asyncio.shield(self._release(self._reservations, current))

    async def _release(self, reservations: Reservations, current: StoredObject) -> StoredObject | None:
        old = self.document_of(current)
        removed = await self._delete(current, await reservations.removal(old))
        if removed is not None:
            reservations.release(old)
        return removed

    async def _delete(self, current: StoredObject, more: Sequence[Write] = ()) -> StoredObject | None:
        unchanged = (ModRevisionIs(current.key, current.revision),)
        outcome = await self._commit("delete", unchanged, (Delete(current.key), *more))
        if not isinstance(outcome, Committed):
            return None
        return current.at(outcome.revision)

    async def _commit(
        self, operation: str, require: Sequence[Condition], write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
        """The store's answer; how long it took is kept under the operation's name."""
        began = time.perf_counter()
        outcome = await self.store.transact(require=require, write=write, within=within)
        self.commits[(operation,)].observe(time.perf_counter() - began)
        return outcome

    def _reject(self, name: str, problems: Iterable[FieldError]) -> None:
        """Raises 422 with every problem, if there is one."""
        found = list(problems)
        if found:
            info = self.rules.info
            raise errors.invalid(info.group, info.kind, name, found)
