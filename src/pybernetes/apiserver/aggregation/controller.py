"""Follows the APIServices: registers what this server serves itself, and lets other servers serve the rest.

Guarantees
  Level-based: what is done follows from what is stored and what is served.
  What fails is tried again, more and more seldom.

Follows pkg/controllers/autoregister and pkg/controllers/status/local of kube-aggregator.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from pybernetes.api import errors
from pybernetes.api.figures import Counts
from pybernetes.apiserver.aggregation import registration
from pybernetes.apiserver.aggregation.availability import LOCALLY, Verdict, with_verdict
from pybernetes.apiserver.aggregation.elsewhere import ExtensionServers
from pybernetes.apiserver.aggregation.records import priority_of, remote_of
from pybernetes.apiserver.aggregation.registration import Act, History
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.auth.pki import KeyPair
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.describe import Description
from pybernetes.apiserver.discovery.priorities import Priority
from pybernetes.apiserver.discovery.served import ServedVersion
from pybernetes.apiserver.following import Follower
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Context, Document, StatusSubresource
from pybernetes.apiserver.resources.api_service import API_SERVICES, available
from pybernetes.apiserver.rules import MainRule, StatusRule
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.updating import Proposal
from pybernetes.store.contract import StoreError

log = logging.getLogger(__name__)

MANAGER = "kube-apiserver"


class Aggregation:
    """``client`` is what this server shows to others; ``start`` after the server."""

    def __init__(self, server: ApiServer, description: Description, client: KeyPair | None = None) -> None:
        self._server = server
        self._discovery = description.discovery
        info = API_SERVICES.info
        self._services = server.registry(info.group, info.version, info.plural)
        self._desired: dict[str, Document] = {}
        self._at_start: frozenset[str] = frozenset()
        self._settled: set[str] = set()
        self._local: dict[tuple[str, str], Priority] = {}
        self.lost = Counts()
        """How often group versions became unavailable, by name and reason."""
        self._following = False
        self._elsewhere = ExtensionServers(server, description, client, self._report)
        self._follower = Follower(
            self._services.cache, self._reconcile, "apiservices", besides=lambda: tuple(self._elsewhere.names)
        )

    async def start(self) -> None:
        self._at_start = frozenset(stored.name for stored in self._services.cache.objects.values())
        self._desired = self._wanted()
        self._following = True
        self._server.on_served_change(self._served_changed)
        self._discovery.overlay(self._told)
        await self._follower.start_with({*self._at_start, *self._desired})

    @property
    def is_running(self) -> bool:
        return self._follower.is_running

    async def stop(self) -> None:
        self._following = False
        await self._follower.stop()
        await self._elsewhere.stop()

    # what changes

    def _served_changed(self) -> None:
        if not self._following:
            return
        before, self._desired = self._desired, self._wanted()
        self._follower.mark(name for name in {*before, *self._desired} if before.get(name) != self._desired.get(name))

    def _wanted(self) -> dict[str, Document]:
        served = ((one.group, one.version) for one in self._discovery.local())
        return {**registration.custom(self._server.resources), **registration.built_in(served)}

    # bringing things in step

    async def _reconcile(self, name: str) -> None:
        stored = await self._services.find("", name)
        current = stored.document if stored is not None else None
        desired = self._desired.get(name)
        match registration.decide(desired, current, History(name in self._at_start, name in self._settled)):
            case Act.CREATE if desired is not None:
                current = await self._create(desired)
            case Act.DELETE if current is not None:
                await self._delete(name, current["metadata"]["uid"])
            case Act.UPDATE if desired is not None:
                await self._update(name, desired["spec"])
        self._adopt(name, current)
        if current is not None and current["spec"].get("service") is None:
            await self._report(name, LOCALLY)
        self._settled.add(name)

    async def _create(self, desired: Document) -> Document | None:
        """None if somebody else was quicker: that comes up again."""
        document = {**self._services.identity(), **_copied(desired)}
        try:
            return (await self._services.create("", document, self._context())).document
        except errors.ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            return None

    async def _delete(self, name: str, uid: str) -> None:
        """One that was changed or made anew in the meantime comes up again."""
        try:
            await self._services.delete("", name, DeleteOptions(uid=uid), self._context())
        except errors.ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _update(self, name: str, spec: Document) -> None:
        def propose(current: StoredObject) -> Proposal:
            return Proposal({**self._services.fresh_document_of(current), "spec": dict(spec)})

        await self._services.update("", name, propose, self._context(), MainRule(API_SERVICES))

    async def _report(self, name: str, verdict: Verdict) -> None:
        """Writes the condition, if it is another one. Nothing is written to an APIService that is gone."""
        stored = await self._services.find("", name)
        if stored is None:
            return
        now = self._server.clock.now()
        if with_verdict(stored.document.get("status"), verdict, now) == stored.document.get("status"):
            return
        before = available(stored.document)
        if verdict.status != "True" and before is not None and before["status"] == "True":
            self.lost.add(name, verdict.reason)

        def propose(current: StoredObject) -> Proposal:
            document = self._services.fresh_document_of(current)
            return Proposal({**document, "status": with_verdict(document.get("status"), verdict, now)})

        try:
            await self._services.update("", name, propose, self._context(), StatusRule(_STATUS))
        except (errors.ApiError, StoreError) as error:
            log.info("a condition was not written", extra={"apiservice": name, "error": str(error)})

    def _context(self) -> Context:
        return Context(SERVER_USER, self._server.clock.now(), manager=MANAGER)

    # what clients are told

    def _adopt(self, name: str, document: Document | None) -> None:
        remote = remote_of(document) if document is not None else None
        self._rank(name, document if remote is None else None)
        self._elsewhere.adopt(name, remote)

    def _rank(self, name: str, document: Document | None) -> None:
        """Remembers the priorities of what is registered as this server's own."""
        version, _, group = name.partition(".")
        rank = priority_of(document) if document is not None else None
        if rank == self._local.get((group, version)) or not group:
            return
        if rank is None:
            del self._local[group, version]
        else:
            self._local[group, version] = rank
        self._discovery.invalidate()

    def _told(self, local: tuple[ServedVersion, ...]) -> list[ServedVersion]:
        """What clients are told instead of ``local``."""
        others = self._elsewhere.served()
        taken = {(one.group, one.version) for one in others}
        kept = [one for one in local if (one.group, one.version) not in taken]
        served = {(one.group, one.version) for one in kept}
        empty = [ServedVersion(*one, (), rank) for one, rank in self._local.items() if one not in served]
        return [*(self._as_registered(one) for one in kept), *empty, *others]

    def _as_registered(self, version: ServedVersion) -> ServedVersion:
        registered = self._local.get((version.group, version.version))
        return replace(version, registered=registered or version.name not in self._desired)


_STATUS = next(one for one in API_SERVICES.subresources if isinstance(one, StatusSubresource))


def _copied(document: Document) -> Document:
    return {**document, "metadata": {**document["metadata"]}, "spec": dict(document["spec"])}
