"""The shortest way to ask a running API server something: no client library, because starting must be quick."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pybernetes.cli.layout import Layout

CONNECT_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        found = json.loads(self.body)
        return found if isinstance(found, dict) else {}


class ApiProbe:
    def __init__(self, layout: Layout, port: int) -> None:
        self._pki = layout.pki
        self._port = port
        self._connection: http.client.HTTPSConnection | None = None

    def get(self, path: str, *, timeout: float = CONNECT_SECONDS) -> Reply | None:
        """None: nothing answers."""
        try:
            connection = self._connect(timeout)
            connection.request("GET", path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            return Reply(answer.status, answer.read())
        except (OSError, http.client.HTTPException):
            self.close()
            return None

    def ready(self) -> bool:
        reply = self.get("/readyz")
        return reply is not None and reply.status == 200

    def nodes(self) -> list[dict[str, Any]]:
        reply = self.get("/api/v1/nodes")
        return list(reply.document.get("items") or ()) if reply is not None and reply.status == 200 else []

    def heartbeats(self) -> dict[str, str]:
        """When each node last renewed its lease."""
        reply = self.get("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases")
        leases = reply.document.get("items") or () if reply is not None and reply.status == 200 else ()
        return {one["metadata"]["name"]: (one.get("spec") or {}).get("renewTime") or "" for one in leases}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self, timeout: float) -> http.client.HTTPSConnection:
        if self._connection is None:
            context = ssl.create_default_context(cafile=str(self._pki / "ca.crt"))
            certificate, key = self._pki / "admin.crt", self._pki / "admin.key"
            if _readable(certificate) and _readable(key):
                context.load_cert_chain(certificate, key)
            self._connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=timeout, context=context)
        return self._connection


def is_ready(node: dict[str, Any]) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False
