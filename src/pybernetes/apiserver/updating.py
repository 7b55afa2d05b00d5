"""The change of an object, through any of its doors.

Guarantees
  A change is stored only if the object is as the writer last saw it; lost races are tried again unless the client said
  which version it meant.
  A change that changes nothing is not stored and has the old revision.

Follows k8s.io/apiserver/pkg/registry/rest/update.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import msgspec
from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, FieldPath, invalid, quoted
from pybernetes.api.patch import PatchError
from pybernetes.api.patch.apply import updated
from pybernetes.api.patch.managed import Managers
from pybernetes.apiserver import delete_plan, tracking
from pybernetes.apiserver.admission.contract import Attributes, Operation
from pybernetes.apiserver.empty_lists import Steps, unstated
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.owners import REPEATED, REPEATED_AFTER, drop_repeated_owners
from pybernetes.apiserver.resource import NOTHING_RESERVED, Context, Document, Reservation
from pybernetes.apiserver.rules import Models, UpdateRule
from pybernetes.apiserver.storage import MOST_RACES, Storage
from pybernetes.apiserver.unconverted import Unconverted, converting
from pybernetes.store.contract import Committed, ModRevisionIs, Put

STATUS = "status"


class Proposal(msgspec.Struct, frozen=True):
    """What an object shall be: a document of the registry's own."""

    document: Document
    pinned: bool = False
    """Made for one version only: a lost race is a conflict."""
    managers: Managers | None = None
    """Those that were worked out already."""
    by_patch: bool = False
    """Its identity is a field like others: a PUT's is a precondition."""
    live: Document | None = None
    """The object as it was, where it has been read for the proposal: a document that is given away."""
    emptied: Sequence[Steps] = ()
    """Lists that are stated to be empty and not only left out, of those that are null when nobody states them."""
    hollowed: Sequence[Steps] = ()
    """Fields that are managed as a whole and within which a list or a map is stated to be empty."""
    raises_generation: bool = False
    """Whatever the rule says that compares what is stored."""


Propose = Callable[[StoredObject], Proposal]
"""From the object as it is. Raises to refuse."""
Change = Callable[[StoredObject], Document]
"""From the object as it is to a document of the registry's own. Raises to refuse."""


class Updating(Storage):
    async def update(
        self,
        namespace: str,
        name: str,
        propose: Propose,
        context: Context,
        rule: UpdateRule,
    ) -> StoredObject:
        """Raises 404 when absent and 409 when the version that the client stated is not the current one."""
        for _ in range(MOST_RACES):
            current = await self.get(namespace, name)
            try:
                proposal, old = self._proposed(current, propose, context, rule)
            except Unconverted as asked:
                proposal, old = await converting(asked, partial(self._proposed, current, propose, context, rule))
            new = proposal.document
            attributes = Attributes(
                Operation.UPDATE, self.resource, namespace, name, context, new, old, rule.subresource
            )
            judge = context.judge or self.admission
            await judge.mutate(attributes)
            drop_repeated_owners(new, context, REPEATED_AFTER)
            if self._judges_stored:
                new, old = self._judged(new), current.fresh_document()
            reservation = NOTHING_RESERVED if rule.subresource else self._reserve(new, old, context)
            try:
                rule.prepare(new, old, context)
                if rule.subresource != STATUS:
                    self._raise_generation(new, old, proposal)
                self._reject(name, rule.problems(Models(new, old, self._model)))
                context.warnings.extend(rule.warnings(new, old))
                await judge.validate(self._about(attributes, new))
            except BaseException:
                reservation.cancel()
                raise
            written = await self._replace(current, new, old, context, reservation)
            if written is not None:
                return written if self._custom is None else await self._prepared(written)
            if proposal.pinned:
                break
        raise self.modified(name)

    def _proposed(
        self, current: StoredObject, propose: Propose, context: Context, rule: UpdateRule
    ) -> tuple[Proposal, Document]:
        """What the object shall be, with its managers, and what it was. Raises Unconverted."""
        proposal = propose(current)
        new = proposal.document
        old = self.fresh_document_of(current) if proposal.live is None else proposal.live
        self._check_identity(proposal, old, current, context)
        self._keep_server_owned(new, old)
        if rule.subresource != STATUS or self._completes_status:
            self._default(new)
        if rule.subresource == STATUS and self._complete_status is not None:
            self._complete_status(new)
        if self._judges_stored:
            forgets_managers = new["metadata"].get("managedFields") == []
            new = self._shown(self._judged(new))
            if forgets_managers:
                new["metadata"]["managedFields"] = []
            proposal = replace(proposal, document=new)
        if not proposal.by_patch:
            drop_repeated_owners(new, context, REPEATED)
        self._track(proposal, old, context, rule.subresource)
        return proposal, old

    async def guaranteed_update(self, namespace: str, name: str, change: Change, context: Context) -> StoredObject:
        """A change that the server itself makes in carrying out another request: nothing of it is admitted, judged or
        managed. Raises 404 when absent, and what ``change`` raises."""
        for _ in range(MOST_RACES):
            current = await self.get(namespace, name)
            written = await self._put_over(current, change(current), context, NOTHING_RESERVED)
            if written is not None:
                return written
        raise self.modified(name)

    def _check_identity(self, proposal: Proposal, old: Document, current: StoredObject, context: Context) -> None:
        """A stated version must be the current one, and so must the uid of a PUT."""
        metadata, before = proposal.document["metadata"], old["metadata"]
        tracking.check_place(metadata, before.get("namespace", ""), before["name"])
        if "namespace" in before:
            metadata["namespace"] = before["namespace"]
        else:
            metadata.pop("namespace", None)
        uid = metadata.get("uid")
        if uid and uid != before["uid"] and not proposal.by_patch:
            raise self.uid_mismatch(before, uid, dry_run=context.dry_run)
        stated = _version(metadata.get("resourceVersion", ""))
        if stated and stated != current.revision:
            raise self.modified(before["name"])
        if not stated and not self.resource.allows_unconditional_update:
            info = self.info
            raise errors.invalid(info.group, info.plural, before["name"], [must_state_version()])
        metadata["resourceVersion"] = str(current.revision)

    def _keep_server_owned(self, new: Document, old: Document) -> None:
        """What a client leaves out stays; a deletion, once begun, stays whatever the client says."""
        metadata, before = new["metadata"], old["metadata"]
        if not metadata.get("uid"):
            metadata["uid"] = before["uid"]
        for name in ("creationTimestamp", "deletionTimestamp"):
            if name in before:
                metadata[name] = before[name]
        if "deletionGracePeriodSeconds" in before:
            metadata.setdefault("deletionGracePeriodSeconds", before["deletionGracePeriodSeconds"])
        if "generation" in before:
            metadata["generation"] = before["generation"]
        else:
            metadata.pop("generation", None)

    def _track(self, proposal: Proposal, old: Document, context: Context, subresource: str) -> None:
        """Managers come from the object as it was, unless the client has sent readable ones through the main door."""
        new, before = proposal.document, old["metadata"].get("managedFields")
        if proposal.managers is not None:
            tracking.record(new, proposal.managers)
            return
        stated = new["metadata"].get("managedFields")
        managers = tracking.stated_or_live(stated, before, subresource)
        if managers and context.manager:
            author = tracking.author_of(self.info, context, subresource)
            keep = self.kept_through(subresource)
            tracking.put(new, before)
            try:
                if self._custom is not None:
                    self._check_reset(new, old, subresource)
                managers = updated(old, new, managers, self.typed, author, keep)
                changed = (*unstated(old, proposal.emptied), *proposal.hollowed)
                if changed:
                    managers = tracking.with_emptied(managers, changed, author, keep)
            except PatchError:
                managers = {}
        tracking.record(new, managers)

    def _raise_generation(self, new: Document, old: Document, proposal: Proposal) -> None:
        rule = self.rules.generation
        if rule is not None and (proposal.raises_generation or rule(new, old)):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1

    async def _replace(
        self,
        current: StoredObject,
        new: Document,
        old: Document,
        context: Context,
        reservation: Reservation = NOTHING_RESERVED,
    ) -> StoredObject | None:
        """None when somebody else was faster. Ends the reservation."""
        tracking.keep_times(new, old)
        if new == old and not await self._is_outdated(current, new):
            reservation.cancel()
            return current
        if delete_plan.is_finished(self.resource, new, old):
            reservation.cancel()
            return await self._remove_finished(current, new, context)
        if reservation is NOTHING_RESERVED:
            return await self._put_over(current, new, context, reservation)
        return await self._reserved(reservation, context, lambda: self._put_over(current, new, context, reservation))

    async def _is_outdated(self, current: StoredObject, new: Document) -> bool:
        """Whether a write that changes nothing is a write still: now it would be stored otherwise than it is."""
        if self.store.is_stale(current.key):
            return True
        return self._custom is not None and await self._custom.is_outdated(current, new)

    async def _put_over(
        self, current: StoredObject, new: Document, context: Context, reservation: Reservation
    ) -> StoredObject | None:
        value = self.form.to_stored(new) if self._as_stored else await self._encode(new)
        if context.dry_run:
            return StoredObject(self.form, self.prefix, current.key, value, current.revision)
        unchanged = ModRevisionIs(current.key, current.revision)
        while True:
            writes = (Put(current.key, value), *reservation.write)
            outcome = await self._commit("update", (unchanged, *reservation.require), writes, self.resource.patience)
            if isinstance(outcome, Committed):
                break
            if not reservation.overtaken(outcome.failed):
                return None
            value = await self._encode(new)
        stored = StoredObject(self.form, self.prefix, current.key, value, outcome.revision)
        return stored.having(new) if self._as_stored or self._judges_stored else stored

    async def _remove_finished(self, current: StoredObject, new: Document, context: Context) -> StoredObject | None:
        if not context.dry_run and await self._remove(current) is None:
            return None
        return StoredObject(self.form, self.prefix, current.key, await self._encode(new), current.revision)


def _version(stated: str) -> int:
    """The version that a client means, 0 for any. Raises 500."""
    if not stated:
        return 0
    if not (stated.isascii() and stated.isdigit()):
        raise errors.ApiError(500, "", f"strconv.ParseUint: parsing {quoted(stated)}: invalid syntax")
    if len(stated) > _MOST_DIGITS or int(stated) >= 2**64:
        raise errors.ApiError(500, "", f"strconv.ParseUint: parsing {quoted(stated)}: value out of range")
    return int(stated)


_MOST_DIGITS = 4000
"""That are worth being read."""


def must_state_version() -> FieldError:
    return invalid(FieldPath("metadata").resourceVersion, 0, "must be specified for an update")
