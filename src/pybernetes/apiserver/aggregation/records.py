"""APIServices as values."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace

from pybernetes.apiserver.discovery.priorities import Priority
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.api_service import HTTPS, available

AUTOMANAGED = "kube-aggregator.kubernetes.io/automanaged"


@dataclass(frozen=True, slots=True)
class ServiceReference:
    namespace: str
    name: str
    port: int

    @property
    def server_name(self) -> str:
        """Whom the server's certificate must name."""
        return f"{self.name}.{self.namespace}.svc"


@dataclass(frozen=True, slots=True)
class Remote:
    """A group version behind a service. ``available`` is what its condition says."""

    name: str
    group: str
    version: str
    service: ServiceReference
    priority: Priority
    authorities: bytes = b""
    insecure: bool = False
    available: bool = False

    @property
    def path(self) -> str:
        return f"/apis/{self.group}/{self.version}"


def priority_of(document: Document) -> Priority:
    spec = document["spec"]
    return Priority(spec["groupPriorityMinimum"], spec["versionPriority"])


def remote_of(document: Document) -> Remote | None:
    """None for what this server serves itself, and for the core group, which cannot be given away."""
    spec = document["spec"]
    reference = spec.get("service")
    if reference is None or not spec.get("group"):
        return None
    condition = available(document)
    return Remote(
        document["metadata"]["name"],
        spec["group"],
        spec["version"],
        ServiceReference(reference["namespace"], reference["name"], reference.get("port") or HTTPS),
        priority_of(document),
        base64.b64decode(spec.get("caBundle") or ""),
        bool(spec.get("insecureSkipTLSVerify")),
        condition is not None and condition["status"] == "True",
    )


def same_server(one: Remote, other: Remote) -> bool:
    """Whether nothing but availability and priority tells them apart."""
    return replace(one, available=other.available, priority=other.priority) == other
