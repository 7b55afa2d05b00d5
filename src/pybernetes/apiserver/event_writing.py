"""Events that the API server's own loops leave about objects.

Follows k8s.io/client-go/tools/record.
"""

from __future__ import annotations

import logging

from pybernetes.api import errors
from pybernetes.api.meta import format_time
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.naming import random_suffix
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.server import ApiServer

_EVENTS = ("", "v1", "events")
_MANAGER = "kube-apiserver"
log = logging.getLogger(__name__)


class EventWriter:
    """Nothing is repeated or counted up: callers tell a thing once."""

    def __init__(self, server: ApiServer, component: str) -> None:
        self._server = server
        self._component = component

    async def warn(self, about: Document, reason: str, message: str) -> None:
        """``about`` has apiVersion, kind and metadata; what cannot be written is logged."""
        endpoint = self._server.endpoints.get(_EVENTS)
        if endpoint is None:
            return
        context = Context(SERVER_USER, self._server.clock.now(), manager=_MANAGER)
        registry, metadata, now = endpoint.registry, about["metadata"], format_time(context.now)
        namespace = metadata.get("namespace", "")
        involved = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            "name": metadata["name"],
            "uid": metadata.get("uid", ""),
            "resourceVersion": metadata.get("resourceVersion", ""),
        }
        event = {
            **registry.identity(),
            "metadata": {"name": f"{metadata['name']}.{random_suffix(self._server.random, 16)}"},
            "involvedObject": {**involved, **({"namespace": namespace} if namespace else {})},
            "reason": reason,
            "message": message,
            "type": "Warning",
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            await registry.create(namespace or "default", registry.shape.read(event).document, context)
        except errors.ApiError as error:
            log.warning("%s: the event %s was not written: %s", metadata["name"], reason, error.message)
