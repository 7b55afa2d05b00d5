"""Events that the API server's own loops leave about objects.

Follows k8s.io/client-go/tools/record.
"""

from __future__ import annotations

import logging
import socket
from datetime import datetime

from pybernetes.api import errors
from pybernetes.api.meta import format_micro_time, format_time
from pybernetes.apiserver.auth.contract import SERVER_USER
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

    async def warn(self, about: Document, reason: str, message: str, action: str = "") -> None:
        """``about`` has apiVersion, kind and metadata. With an action it is an event of the newer kind. What cannot be
        written is logged."""
        endpoint = self._server.endpoints.get(_EVENTS)
        if endpoint is None:
            return
        now = self._server.clock.now()
        context = Context(SERVER_USER, now, manager=_MANAGER)
        registry, metadata = endpoint.registry, about["metadata"]
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
            "metadata": {"name": f"{metadata['name']}.{int(now.timestamp() * 1e9):x}"},
            "involvedObject": {**involved, **({"namespace": namespace} if namespace else {})},
            "reason": reason,
            "message": message,
            "type": "Warning",
            **(self._newer(action, now) if action else self._older(now)),
        }
        try:
            await registry.create(namespace or "default", registry.shape.read(event).document, context)
        except errors.ApiError as error:
            log.warning("%s: the event %s was not written: %s", metadata["name"], reason, error.message)

    def _older(self, now: datetime) -> Document:
        times = dict.fromkeys(("firstTimestamp", "lastTimestamp"), format_time(now))
        return {"source": {"component": self._component}, "reportingComponent": self._component, "count": 1, **times}

    def _newer(self, action: str, now: datetime) -> Document:
        return {
            "action": action,
            "eventTime": format_micro_time(now),
            "reportingComponent": self._component,
            "reportingInstance": f"{self._component}-{socket.gethostname()}",
        }
