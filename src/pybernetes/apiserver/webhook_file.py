"""Where an operator's webhook is: a kubeconfig whose cluster is the webhook and whose user is this server.

Follows k8s.io/apiserver/pkg/util/webhook/webhook.go and client-go/tools/clientcmd.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from pybernetes.apiserver.admission.host import ConfigurationError

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    url: str
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    """None where the URL is plain HTTP."""


def read_target(path: str) -> WebhookTarget:
    """Raises ConfigurationError."""
    try:
        document = yaml.safe_load(Path(path).read_bytes())
        cluster, user = _chosen(document)
        return _target(cluster, user, Path(path).parent)
    except (OSError, ValueError, yaml.YAMLError, ssl.SSLError, KeyError, TypeError) as error:
        raise ConfigurationError(f"cannot read webhook configuration {path}: {error}") from error


def _chosen(document: Document) -> tuple[Document, Document]:
    context = _named(document.get("contexts") or (), document.get("current-context") or "", "context")
    cluster = _named(document.get("clusters") or (), context.get("cluster", ""), "cluster")
    user = _named(document.get("users") or (), context["user"], "user") if context.get("user") else {}
    return cluster, user


def _named(entries: Any, name: str, kind: str) -> Document:
    for entry in entries:
        if entry.get("name") == name:
            found: Document = entry.get(kind) or {}
            return found
    raise ValueError(f'{kind} "{name}" does not exist')


def _target(cluster: Document, user: Document, directory: Path) -> WebhookTarget:
    url = cluster["server"]
    headers = {}
    token = user.get("token") or (_file(directory, user["tokenFile"]).decode().strip() if user.get("tokenFile") else "")
    if token:
        headers["Authorization"] = f"Bearer {token}"
    elif user.get("username"):
        secret = base64.b64encode(f"{user['username']}:{user.get('password', '')}".encode()).decode()
        headers["Authorization"] = f"Basic {secret}"
    return WebhookTarget(url, headers, _tls(cluster, user, directory) if urlsplit(url).scheme == "https" else None)


def _tls(cluster: Document, user: Document, directory: Path) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority = _data(cluster, "certificate-authority", directory)
    if authority:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.load_verify_locations(cadata=authority.decode())
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = (_data(user, name, directory) for name in ("client-certificate", "client-key"))
    if certificate:
        _show(context, certificate, key)
    return context


def _data(entry: Document, name: str, directory: Path) -> bytes:
    inline = entry.get(f"{name}-data")
    if inline:
        return base64.b64decode(inline)
    return _file(directory, entry[name]) if entry.get(name) else b""


def _file(directory: Path, name: str) -> bytes:
    return (directory / name).read_bytes()


def _show(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """The library reads certificates from files only."""
    descriptor, name = tempfile.mkstemp()
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate + b"\n" + key)
        context.load_cert_chain(name)
    finally:
        Path(name).unlink()
