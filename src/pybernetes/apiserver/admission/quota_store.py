"""Quotas as the store has them, and their status written back at the revision it was judged by."""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.quota import amounts
from pybernetes.apiserver.admission.quota_check import Quota
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, StatusSubresource
from pybernetes.apiserver.rules import StatusRule
from pybernetes.apiserver.updating import Proposal

MANAGER = "kube-apiserver"


class QuotaStore:
    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._rule = StatusRule(
            next(one for one in registry.resource.subresources if isinstance(one, StatusSubresource))
        )

    async def read(self, namespace: str, names: Iterable[str]) -> list[Quota]:
        """Those that are still there."""
        found = [await self._registry.find(namespace, name) for name in names]
        return [Quota.of(one.document, one.revision) for one in found if one is not None]

    async def write(self, namespace: str, quota: Quota) -> errors.ApiError | None:
        """Why it could not be written: it has changed, or is gone."""

        def propose(current: StoredObject) -> Proposal:
            document = current.fresh_document()
            document["metadata"]["resourceVersion"] = str(quota.revision)
            document["status"] = {**(document.get("status") or {}), "used": amounts.written(quota.used)}
            return Proposal(document, pinned=True)

        context = Context(SERVER_USER, self._clock.now(), manager=MANAGER)
        try:
            await self._registry.update(namespace, quota.name, propose, context, self._rule)
        except errors.ApiError as error:
            return error
        return None
