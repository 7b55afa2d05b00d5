"""Leases of API servers that are no longer there: an hour after the last renewal they go.

Follows pkg/controlplane/controller/apiserverleasegc.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pybernetes.api import errors
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.background import Repeated
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.identity_lease import COMPONENT, COMPONENT_LABEL, NAMESPACE
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.server import ApiServer

LOOK_SECONDS = 3600.0


class OutdatedIdentities(Repeated):
    """Looked for between `start` and `stop`, for a server that serves leases."""

    def __init__(self, server: ApiServer) -> None:
        super().__init__(self.drop, LOOK_SECONDS, "outdated identities")
        self._server = server

    async def drop(self) -> None:
        registry = self._server.registry("coordination.k8s.io", "v1", "leases")
        now = self._server.clock.now()
        for stored in list(registry.cache.objects.values()):
            labels = stored.document["metadata"].get("labels") or {}
            if stored.namespace != NAMESPACE or labels.get(COMPONENT_LABEL) != COMPONENT:
                continue
            if not is_outdated(stored.document, now):
                continue
            try:
                await registry.delete(NAMESPACE, stored.name, DeleteOptions(), Context(SERVER_USER, now))
            except errors.ApiError as error:
                if error.code not in (404, 409):
                    raise


def is_outdated(lease: Document, now: datetime) -> bool:
    """One that says neither when nor for how long is."""
    spec = lease.get("spec") or {}
    renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds")
    if not renewed or seconds is None:
        return True
    return datetime.fromisoformat(renewed) + timedelta(seconds=seconds) < now
