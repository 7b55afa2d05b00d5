"""Kubeconfig: the file that says where a cluster is and who we are, and the same inside a pod.

Guarantees  A `KubeconfigError` names the file and what is missing in it. Inline data wins over file names.
Caveats     Plug-in credentials (`exec`, `auth-provider`) are refused by name.
Follows client-go tools/clientcmd.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pybernetes.client.http import ConnectionSettings

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class KubeconfigError(Exception):
    """The connection settings cannot be read."""


def load(path: Path | str, *, context: str | None = None, user_agent: str = "pybernetes") -> ConnectionSettings:
    """The settings of a context of a kubeconfig file (its current one if none is named)."""
    path = Path(path)
    document = _document(path)
    wanted = context or document.get("current-context") or ""
    if not wanted:
        raise KubeconfigError(f"{path}: no current-context is set")
    chosen = _named(path, document, "contexts", "context", wanted)
    cluster = _named(path, document, "clusters", "cluster", str(chosen.get("cluster", "")))
    user_name = str(chosen.get("user", ""))
    user = _named(path, document, "users", "user", user_name) if user_name else {}
    for plugin in ("exec", "auth-provider"):
        if plugin in user:
            raise KubeconfigError(f"{path}: user {user_name!r} needs {plugin!r} credentials, which are not supported")
    server = cluster.get("server")
    if not server:
        raise KubeconfigError(f"{path}: cluster {chosen.get('cluster')!r} has no server")
    token_file = user.get("tokenFile")
    return ConnectionSettings(
        server=str(server),
        tls=_tls(path, cluster, user) if str(server).startswith("https:") else None,
        token=user.get("token"),
        token_file=path.parent / token_file if token_file else None,
        server_name=cluster.get("tls-server-name"),
        user_agent=user_agent,
    )


def load_anonymous(path: Path | str, *, user_agent: str = "pybernetes") -> ConnectionSettings:
    """The cluster of the current context, without anybody's credentials."""
    path = Path(path)
    document = _document(path)
    chosen = _named(path, document, "contexts", "context", str(document.get("current-context") or ""))
    cluster = _named(path, document, "clusters", "cluster", str(chosen.get("cluster", "")))
    server = str(cluster.get("server") or "")
    if not server:
        raise KubeconfigError(f"{path}: cluster {chosen.get('cluster')!r} has no server")
    return ConnectionSettings(
        server=server,
        tls=_tls(path, cluster, {}) if server.startswith("https:") else None,
        server_name=cluster.get("tls-server-name"),
        user_agent=user_agent,
    )


def in_cluster(*, user_agent: str = "pybernetes", directory: Path = SERVICE_ACCOUNT) -> ConnectionSettings:
    """The settings that every container of a pod finds in its environment and its service account's volume."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST"), os.environ.get("KUBERNETES_SERVICE_PORT")
    if not host or not port:
        raise KubeconfigError("not inside a pod: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set")
    return ConnectionSettings(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        tls=ssl.create_default_context(cafile=str(directory / "ca.crt")),
        token_file=directory / "token",
        user_agent=user_agent,
    )


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    return document


def _named(path: Path, document: Mapping[str, Any], plural: str, singular: str, name: str) -> Mapping[str, Any]:
    rows: Sequence[Mapping[str, Any]] = document.get(plural) or ()
    for row in rows:
        if row.get("name") == name:
            return row.get(singular) or {}
    raise KubeconfigError(f"{path}: {singular} {name!r} does not exist")


def _tls(path: Path, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> ssl.SSLContext:
    authority = _material(path, cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority.decode("ascii") if authority else None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate, key = _material(path, user, "client-certificate"), _material(path, user, "client-key")
    if certificate and key:
        _load_pair(context, certificate, key)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    # OpenSSL's binding reads key pairs from files only; this one is ours alone and gone at once.
    with tempfile.NamedTemporaryFile() as pair:
        pair.write(certificate + b"\n" + key)
        pair.flush()
        context.load_cert_chain(pair.name)


def _material(path: Path, section: Mapping[str, Any], name: str) -> bytes | None:
    inline = section.get(f"{name}-data")
    if inline:
        try:
            return base64.b64decode(inline, validate=True)
        except binascii.Error as error:
            raise KubeconfigError(f"{path}: {name}-data is not base64") from error
    file_name = section.get(name)
    if not file_name:
        return None
    try:
        return (path.parent / str(file_name)).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{path}: {name}: {file_name}: {error.strerror}") from error
