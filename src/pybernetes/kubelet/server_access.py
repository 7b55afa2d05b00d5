"""Who may ask the kubelet's server for what.

Guarantees  Without a certificate of the cluster's authority or a token that the API server knows, nothing but health
            is told. What a request needs follows upstream: verb by HTTP method, `nodes/<subresource>` by path.
Follows pkg/kubelet/server/auth.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_SUBRESOURCES = (
    ("/stats/", "stats"),
    ("/metrics", "metrics"),
    ("/logs/", "log"),
    ("/checkpoint/", "checkpoint"),
    ("/healthz", "healthz"),
    ("/configz", "configz"),
    ("/pods", "pods"),
    ("/runningpods", "pods"),
)


@dataclass(frozen=True, slots=True)
class User:
    name: str
    groups: tuple[str, ...] = ()


class Access(Protocol):
    """What the API server knows: whose a token is, and whether a user may."""

    async def user_of(self, token: str) -> User | None: ...
    async def allows(self, user: User, verb: str, subresource: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class ClusterAdministratorsOnly:
    """No questions to the API server: its own client certificate and administrators' pass, tokens do not."""

    users: frozenset[str] = frozenset({"kube-apiserver-kubelet-client", "kube-apiserver"})
    groups: frozenset[str] = frozenset({"system:masters", "kubeadm:cluster-admins"})

    async def user_of(self, token: str) -> User | None:
        return None

    async def allows(self, user: User, verb: str, subresource: str) -> bool:
        return user.name in self.users or not self.groups.isdisjoint(user.groups)


def needed(method: str, path: str) -> tuple[str, str]:
    """The verb and the subresource of `nodes` that a request needs."""
    verb = _VERBS.get(method, "get")
    for prefix, subresource in _SUBRESOURCES:
        if path == prefix.rstrip("/") or path.startswith(prefix if prefix.endswith("/") else f"{prefix}/"):
            return verb, subresource
    return verb, "proxy"


def user_of_certificate(certificate: Mapping[str, Any] | None) -> User | None:
    """The user that a verified client certificate names: its common name, and its organisations as groups."""
    if not certificate:
        return None
    parts = [pair for relative in certificate.get("subject", ()) for pair in relative]
    names = [value for key, value in parts if key == "commonName"]
    groups = tuple(value for key, value in parts if key == "organizationName")
    return User(names[0], groups) if names else None
