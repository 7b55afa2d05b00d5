"""The ServiceCIDR `kubernetes`: the ranges that the server was started with, as an object.

Guarantees  It is there before the first service is made, and made again if somebody removes it. It is marked ready
            once, and never when it says something else than the server's options. A server that got a second family
            adds it.

Follows pkg/controlplane/controller/defaultservicecidr.
"""

from __future__ import annotations

import asyncio
import logging

from pybernetes.api.meta import format_time
from pybernetes.apiserver import background
from pybernetes.apiserver.applying import Configuration, applied
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.event_writing import EventWriter
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document, StatusSubresource
from pybernetes.apiserver.rules import MainRule, StatusRule
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.tracking import author_of, managers_in, unmanaged
from pybernetes.apiserver.updating import Proposal

NAME = "kubernetes"
CONTROLLER = "kubernetes-service-cidr-controller"
SECONDS = 10.0
_MANAGER = "kube-apiserver"
_KIND = ("networking.k8s.io", "v1", "servicecidrs")
log = logging.getLogger(__name__)


class DefaultServiceCIDR:
    """Kept between ``start`` and ``stop``, by a server that serves the kind."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._ranges = list(server.options.service_cidrs)
        self._events = EventWriter(server, CONTROLLER)
        self._told: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if _KIND not in self._server.endpoints:
            return
        await self.sync()
        await self._server.watch_cache.at_least(self._server.store.revision)
        self._task = background.repeat(self.sync, SECONDS, "default-service-cidr")

    @property
    def is_running(self) -> bool:
        """True, too, where there is nothing to be kept."""
        if _KIND not in self._server.endpoints:
            return True
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        if self._task is not None:
            await background.stop(self._task)
            self._task = None

    async def sync(self) -> None:
        registry = self._server.endpoints[_KIND].registry
        found = await registry.find("", NAME)
        if found is None:
            document = {**registry.identity(), "metadata": {"name": NAME}, "spec": {"cidrs": self._ranges}}
            found = await registry.create("", document, self._context(_MANAGER))
        stated: list[str] = registry.document_of(found)["spec"]["cidrs"]
        if len(stated) == 1 and len(self._ranges) == 2 and stated[0] == self._ranges[0]:
            await registry.update("", NAME, self._with_both, self._context(_MANAGER), MainRule(registry.resource))
        else:
            await self._mark(registry, found.document)

    def _context(self, manager: str) -> Context:
        return Context(SERVER_USER, self._server.clock.now(), manager=manager)

    def _with_both(self, current: StoredObject) -> Proposal:
        changed = current.fresh_document()
        changed["spec"]["cidrs"] = self._ranges
        return Proposal(changed)

    async def _mark(self, registry: Registry, found: Document) -> None:
        if found["metadata"].get("deletionTimestamp"):
            return
        conditions = (found.get("status") or {}).get("conditions") or ()
        ready = next((one for one in conditions if one["type"] == "Ready"), None)
        if found["spec"]["cidrs"] != self._ranges:
            stated, wanted = (f"[{' '.join(ranges)}]" for ranges in (found["spec"]["cidrs"], self._ranges))
            text = f"The default ServiceCIDR {stated} does not match the controller flag configurations {wanted}"
            await self._tell(found, "KubernetesDefaultServiceCIDRInconsistent", text)
        elif ready is not None and ready["status"] == "False":
            await self._tell(found, ready["reason"], f"Configuration matches, but {ready['message']}")
        elif ready is None or ready["status"] == "Unknown":
            await self._apply_ready(registry)

    async def _tell(self, about: Document, reason: str, message: str) -> None:
        if reason not in self._told:
            self._told.add(reason)
            await self._events.warn(about, reason, message)

    async def _apply_ready(self, registry: Registry) -> None:
        """By server-side apply, so that the condition is this controller's and the others are not touched."""
        context = self._context(CONTROLLER)
        declared = registry.resource.subresource("status")
        assert isinstance(declared, StatusSubresource)
        rule = StatusRule(declared)
        ready = {
            "type": "Ready",
            "status": "True",
            "message": "Kubernetes default Service CIDR is ready",
            "lastTransitionTime": format_time(context.now),
        }
        wanted = {**registry.identity(), "metadata": {"name": NAME}, "status": {"conditions": [ready]}}

        def propose(current: StoredObject) -> Proposal:
            live = registry.document_of(current)
            author, keep = author_of(registry.info, context, rule.subresource), registry.kept_through(rule.subresource)
            result = applied(
                unmanaged(live), managers_in(live), Configuration(wanted, True, ()), registry.typed, author, keep
            )
            return Proposal(registry.shape.read(result.document).document, False, result.managers, by_patch=True)

        await registry.update("", NAME, propose, context, rule)
