"""Kubeconfig files: where a cluster is, whom to trust, and who one is.

The file holds the credentials themselves (embedded, as upstream's kubeadm writes them), so it can be copied elsewhere;
it is replaced atomically and readable by its owner only.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from pybernetes.apiserver.auth.files import write_private
from pybernetes.apiserver.auth.pki import KeyPair


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    certificate: bytes
    key: bytes

    @classmethod
    def of(cls, pair: KeyPair) -> ClientCertificate:
        return cls(pair.certificate_pem, pair.key_pem)


@dataclass(frozen=True, slots=True)
class BearerToken:
    token: str


def document(
    *,
    server: str,
    authority: bytes,
    credentials: ClientCertificate | BearerToken,
    cluster: str = "pybernetes",
    user: str = "kubernetes-admin",
    namespace: str = "",
) -> dict[str, Any]:
    """A kubeconfig with one cluster, one user and one current context."""
    context_name = f"{user}@{cluster}"
    context = {"cluster": cluster, "user": user}
    if namespace:
        context["namespace"] = namespace
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": cluster, "cluster": {"server": server, "certificate-authority-data": _encoded(authority)}}
        ],
        "users": [{"name": user, "user": _user(credentials)}],
        "contexts": [{"name": context_name, "context": context}],
        "current-context": context_name,
        "preferences": {},
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """Write `content` as YAML (its JSON form, which every YAML reader takes)."""
    write_private(path, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


def _user(credentials: ClientCertificate | BearerToken) -> dict[str, str]:
    match credentials:
        case ClientCertificate(certificate, key):
            return {"client-certificate-data": _encoded(certificate), "client-key-data": _encoded(key)}
        case BearerToken(token):
            return {"token": token}


def _encoded(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
