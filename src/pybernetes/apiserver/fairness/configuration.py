"""Follows the FlowSchemas and PriorityLevelConfigurations, and keeps those that every cluster has.

Guarantees
  A change counts from the next turn of the event loop on. The mandatory levels and schemas work even while their
  objects are missing; within a minute the objects are there again.
  Each FlowSchema says in its condition `Dangling` whether its level exists.

Follows k8s.io/apiserver/pkg/util/flowcontrol/apf_controller.go and pkg/registry/flowcontrol/ensurer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pybernetes.api import errors
from pybernetes.api.codec import from_document
from pybernetes.api.models.flowcontrol_v1 import FlowSchema, PriorityLevelConfiguration
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, User
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.fairness import bootstrap, conditions
from pybernetes.apiserver.fairness.flows import FlowTable
from pybernetes.apiserver.fairness.gate import FairGate
from pybernetes.apiserver.fairness.level import Level
from pybernetes.apiserver.fairness.shares import borrowed, limits_of
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context
from pybernetes.apiserver.rules import MainRule
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.updating import Proposal
from pybernetes.apiserver.watch_events import Event, Interest
from pybernetes.store.contract import StoreError

log = logging.getLogger(__name__)

GROUP = "flowcontrol.apiserver.k8s.io"
USER = User("system:apiserver", groups=(MASTERS_GROUP,))
PRODUCER = "api-priority-and-fairness-config-producer-v1"
BORROWING_SECONDS = 10.0
ENSURING_SECONDS = 60.0

Document = dict[str, Any]


class FairnessConfiguration:
    """``gate`` is what the server asks; it works, with the mandatory objects, from the beginning."""

    interest = Interest()

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._levels: dict[str, Level] = {}
        self._total = server.options.max_requests_in_flight + server.options.max_mutating_requests_in_flight
        self.gate = FairGate(server.endpoints, FlowTable((), {}))
        self._schemas = server.registry(GROUP, "v1", "flowschemas")
        self._configurations = server.registry(GROUP, "v1", "prioritylevelconfigurations")
        self._tasks: list[asyncio.Task[None]] = []
        self._due = False
        self._changed = asyncio.Event()
        self._digest((), ())

    @property
    def levels(self) -> Mapping[str, Level]:
        return self._levels

    async def start(self) -> None:
        """After the server's own start and ``ensure``: follows the objects."""
        self._follow()
        await self._server.watch_cache.at_least(self._server.store.revision)
        self._read()
        await self._write_conditions()
        self._tasks = [
            asyncio.create_task(self._lend(), name="priority levels' borrowing"),
            asyncio.create_task(self._keep(), name="flow schemas' upkeep"),
            asyncio.create_task(self._judge(), name="flow schemas' conditions"),
        ]

    @property
    def is_running(self) -> bool:
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for registry in (self._schemas, self._configurations):
            registry.cache.subscribers.remove(self)

    # following

    def deliver(self, event: Event) -> None:
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_soon(self._read)

    def end(self) -> None:
        """The cache begins anew, with other objects."""
        asyncio.get_running_loop().call_soon(self._follow)
        self.deliver(None)  # type: ignore[arg-type]

    def _follow(self) -> None:
        for registry in (self._schemas, self._configurations):
            registry.cache.subscribers.add(self)

    def _read(self) -> None:
        self._due = False
        schemas = [from_document(FlowSchema, one.document) for one in self._schemas.cache.objects.values()]
        levels = [
            from_document(PriorityLevelConfiguration, one.document)
            for one in self._configurations.cache.objects.values()
        ]
        self._digest(schemas, levels)
        self._changed.set()

    def _digest(self, schemas: Iterable[FlowSchema], levels: Iterable[PriorityLevelConfiguration]) -> None:
        now = self.gate.now()
        wanted = _mandatory_levels() | {level.metadata.name: level for level in levels}
        limits = limits_of(wanted.values(), self._total)
        for name, configuration in wanted.items():
            self._levels.setdefault(name, Level(name, now)).configure(configuration, limits[name], now)
        for name in [name for name, level in self._levels.items() if name not in wanted and level.idle]:
            del self._levels[name]
        found = _mandatory_schemas() | {schema.metadata.name: schema for schema in schemas}
        self.gate.table = FlowTable(found.values(), {name: self._levels[name] for name in wanted})
        self.lend()

    def lend(self) -> None:
        """Gives idle levels' seats to those that want more."""
        now = self.gate.now()
        demands = {name: level.demand.take(now) for name, level in self._levels.items()}
        limits = {name: level.limits for name, level in self._levels.items()}
        exempt = frozenset(name for name, level in self._levels.items() if level.exempt)
        for name, seats in borrowed(limits, demands, exempt).items():
            level = self._levels[name]
            level.limit = seats
            level.dispatch(now)

    async def _lend(self) -> None:
        while True:
            await asyncio.sleep(BORROWING_SECONDS)
            self.lend()

    # keeping

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(ENSURING_SECONDS)
            try:
                await self.ensure()
            except (errors.ApiError, StoreError):
                log.exception("the flow schemas of every cluster could not be kept; tried again in a minute")

    async def ensure(self) -> None:
        """Suggested ones first, levels before schemas; then drops what is no longer among them."""
        for document in bootstrap.SUGGESTED_LEVELS:
            await self._ensure(self._configurations, document, mandatory=False)
        for document in bootstrap.SUGGESTED_SCHEMAS:
            await self._ensure(self._schemas, document, mandatory=False)
        for document in bootstrap.MANDATORY_LEVELS:
            await self._ensure(self._configurations, document, mandatory=True)
        for document in bootstrap.MANDATORY_SCHEMAS:
            await self._ensure(self._schemas, document, mandatory=True)
        await self._drop_unknown(self._schemas, (*bootstrap.SUGGESTED_SCHEMAS, *bootstrap.MANDATORY_SCHEMAS))
        await self._drop_unknown(self._configurations, (*bootstrap.SUGGESTED_LEVELS, *bootstrap.MANDATORY_LEVELS))

    async def _ensure(self, registry: Registry, wanted: Document, *, mandatory: bool) -> None:
        name = wanted["metadata"]["name"]
        stored = await registry.find("", name)
        if stored is None:
            await self._create(registry, wanted)
            return
        revised = revise(registry.fresh_document_of(stored), wanted, mandatory=mandatory)
        if revised is None:
            return

        def propose(current: StoredObject) -> Proposal:
            document = registry.fresh_document_of(current)
            return Proposal(revise(document, wanted, mandatory=mandatory) or document)

        await registry.update("", name, propose, self._context(PRODUCER), MainRule(registry.resource))

    async def _create(self, registry: Registry, wanted: Document) -> None:
        document = _copy({**registry.identity(), **wanted})
        try:
            await registry.create("", document, self._context(PRODUCER))
        except errors.ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _drop_unknown(self, registry: Registry, known: Iterable[Document]) -> None:
        names = {document["metadata"]["name"] for document in known}
        for stored in list(registry.cache.objects.values()):
            if stored.name not in names and _auto_update(stored.document) is True:
                try:
                    await registry.delete("", stored.name, DeleteOptions(), self._context(PRODUCER))
                except errors.ApiError as error:
                    if error.code != 404:
                        raise

    # saying

    async def _judge(self) -> None:
        while True:
            await self._changed.wait()
            try:
                await self._write_conditions()
            except (errors.ApiError, StoreError):
                log.exception("the condition of a flow schema could not be written; tried again at its next change")

    async def _write_conditions(self) -> None:
        self._changed.clear()
        levels = {stored.name for stored in self._configurations.cache.objects.values()}
        levels |= {document["metadata"]["name"] for document in bootstrap.MANDATORY_LEVELS}
        for stored in list(self._schemas.cache.objects.values()):
            await conditions.write(self._schemas, stored, levels, self._context(conditions.CONSUMER))

    def _context(self, manager: str) -> Context:
        return Context(USER, self._server.clock.now(), manager=manager)


def revise(current: Document, wanted: Document, *, mandatory: bool) -> Document | None:
    """What the object should be changed to; None if it is well. Follows ReviseIfNeeded in ensurer/strategy.go."""
    stated = _auto_update(current)
    automatic = mandatory or (stated if stated is not None else current["metadata"].get("generation") == 1)
    spec_differs = automatic and not _covers(wanted["spec"], current.get("spec"))
    if stated is automatic and not spec_differs:
        return None
    metadata = dict(current["metadata"])
    metadata["annotations"] = {
        **(metadata.get("annotations") or {}),
        bootstrap.AUTO_UPDATE: "true" if automatic else "false",
    }
    revised = {**current, "metadata": metadata}
    if spec_differs:
        revised["spec"] = _copy(wanted["spec"])
    return revised


def _auto_update(document: Document) -> bool | None:
    stated = (document["metadata"].get("annotations") or {}).get(bootstrap.AUTO_UPDATE, "")
    return {"true": True, "false": False}.get(stated.lower())


def _covers(wanted: Any, actual: Any) -> bool:
    """Whether two specs are the same, but for defaults that one of them leaves out."""
    if isinstance(wanted, dict) and isinstance(actual, dict):
        present = {key for key, value in actual.items() if value not in (None, False, [], {})}
        return present <= set(wanted) and all(_covers(value, actual.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(actual, list):
        return len(wanted) == len(actual) and all(map(_covers, wanted, actual))
    return wanted == actual or (not wanted and not actual)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    return [_copy(one) for one in value] if isinstance(value, list) else value


@cache
def _mandatory_levels() -> dict[str, PriorityLevelConfiguration]:
    found = [from_document(PriorityLevelConfiguration, _copy(one)) for one in bootstrap.MANDATORY_LEVELS]
    return {one.metadata.name: one for one in found}


@cache
def _mandatory_schemas() -> dict[str, FlowSchema]:
    found = [from_document(FlowSchema, _copy(one)) for one in bootstrap.MANDATORY_SCHEMAS]
    return {one.metadata.name: one for one in found}
