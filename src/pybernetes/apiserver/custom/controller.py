"""Follows the stored definitions: gives them their status, serves what they define, and empties those that end.

Guarantees
  Level-based: what is done follows from what is stored, whoever wrote it; several servers on one store agree.
  A definition says Established only when this server serves it.
  What fails is tried again, more and more seldom.

Follows the controllers of apiextensions-apiserver, as one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from pybernetes.api import errors
from pybernetes.api.fields import FieldError
from pybernetes.api.meta import format_time
from pybernetes.apiserver import background
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, User
from pybernetes.apiserver.custom import finalizing, lifecycle
from pybernetes.apiserver.custom.conversion import WebhookConversion
from pybernetes.apiserver.custom.definition import GROUP, PLURAL, Condition, with_condition
from pybernetes.apiserver.custom.serving import CustomServing
from pybernetes.apiserver.following import Follower
from pybernetes.apiserver.naming import new_uid
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.rules import Models
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.updating import Proposal

log = logging.getLogger(__name__)

SERVER_USER = User("system:apiserver", groups=(MASTERS_GROUP,))
_MANAGER = "kube-apiserver"


class CustomResources:
    """``start`` after the server: from then on the server serves what is defined."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._definitions: Registry = server.registry(GROUP, "v1", PLURAL)
        self.serving = CustomServing(server, self._webhook)
        self._follower = Follower(
            self._definitions.cache, self._reconcile, "custom-resources", besides=lambda: tuple(self.serving.served)
        )
        self._ending: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        names = list(self._definitions.cache.objects.values())
        for stored in names:
            await self.serving.bring_in_step(stored.name, stored.document)
        self._follower.mark_all()
        self._follower.start()

    @property
    def is_running(self) -> bool:
        return self._follower.is_running

    async def stop(self) -> None:
        await self._follower.stop()
        await background.stop(*self._ending.values())
        self._ending.clear()

    # bringing things in step

    async def _reconcile(self, name: str) -> None:
        stored = await self._definitions.find("", name)
        if stored is None:
            await self.serving.bring_in_step(name, None)
            self._mark_conflicting(name.partition(".")[2], name)
            return
        definition = self._definitions.fresh_document_of(stored)
        status = lifecycle.status_of(definition, self._group_of(definition), self._now())
        if status != definition.get("status"):
            definition = {**definition, "status": status}
            await self.serving.bring_in_step(name, definition)
            await self._write(name, definition["metadata"]["uid"], status=status)
            self._mark_conflicting(definition["spec"]["group"], name)
        else:
            await self.serving.bring_in_step(name, definition)
        if finalizing.is_ending(definition) and name not in self._ending:
            task = self._ending[name] = asyncio.create_task(self._finalize(name, definition), name=f"ending {name}")
            task.add_done_callback(lambda _: self._ending.pop(name, None))

    def _group_of(self, definition: Document) -> list[Document]:
        group = definition["spec"]["group"]
        found = (one.document for one in self._definitions.cache.objects.values())
        return [one for one in found if one["spec"]["group"] == group]

    def _mark_conflicting(self, group: str, name: str) -> None:
        """A name may have become free for another definition of the group."""
        waiting = [
            one.name
            for one in self._definitions.cache.objects.values()
            if one.name != name and one.name.endswith(f".{group}") and not lifecycle.has_its_names(one.document)
        ]
        if waiting:
            self._follower.mark(waiting)

    # the end of a definition

    async def _finalize(self, name: str, definition: Document) -> None:
        uid = definition["metadata"]["uid"]
        try:
            why = finalizing.shortcut(definition)
            if why is None:
                await self._write(name, uid, condition=finalizing.IN_PROGRESS)
                registry = await self.serving.storage_of(name, definition)
                await finalizing.delete_instances(registry, self._context)
                why = finalizing.COMPLETED
            await self._write(name, uid, ended=why)
        except errors.ApiError as error:
            log.warning("instances could not be deleted", extra={"definition": name, "error": str(error)})
            self._follower.mark_failed(name)

    # writing

    async def _write(
        self,
        name: str,
        uid: str,
        *,
        status: Document | None = None,
        condition: Condition | None = None,
        ended: Condition | None = None,
    ) -> None:
        """Nothing is written to a definition that is gone, or another of that name."""

        def propose(current: StoredObject) -> Proposal:
            document = self._definitions.fresh_document_of(current)
            if document["metadata"]["uid"] != uid:
                return Proposal(document)
            if status is not None:
                group = self._group_of(document)
                document["status"] = lifecycle.status_of(document, group, self._now())
            if condition is not None:
                document["status"] = with_condition(document["status"], condition, self._now())
            if ended is not None:
                document = finalizing.ended(document, ended, self._context())
            return Proposal(document)

        try:
            written = await self._definitions.update("", name, propose, self._context(), _AsProposed())
            await self._server.watch_cache.at_least(written.revision)
        except errors.ApiError as error:
            if error.code != 404:
                raise

    def _context(self) -> Context:
        return Context(SERVER_USER, self._server.clock.now(), manager=_MANAGER)

    def _now(self) -> str:
        return format_time(self._server.clock.now())

    def _webhook(self, declared: Document) -> WebhookConversion:
        return WebhookConversion(declared, self._server.webhooks, lambda: new_uid(self._server.random))


class _AsProposed:
    """The server's own change of a definition's status and finalizers: taken as it is."""

    subresource = "status"

    def prepare(self, new: Document, old: Document, context: Context) -> None: ...

    def problems(self, models: Models) -> Iterator[FieldError]:
        return iter(())

    def warnings(self, new: Document, old: Document) -> Iterator[str]:
        return iter(())
