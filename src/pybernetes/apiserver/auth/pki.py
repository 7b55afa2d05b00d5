"""The cluster's own certificates: its authority, and everything it signs, kept in a directory.

Guarantees
  Each certificate is issued once and kept until it is near its end, its names change or its authority is replaced.
  Private keys are readable by their owner only; files appear whole or not at all.
  Nothing is parsed when nothing has to be issued: `issued.json` remembers what the directory holds.
  Several processes may use one directory: who issues holds its lock.

File names and subjects follow upstream's "PKI certificates and requirements" page.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from pybernetes.apiserver.auth.files import write_private, write_public
from pybernetes.apiserver.auth.request_header import PROXY_NAME

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.certificates import Authority

AUTHORITY_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=60)

API_SERVER_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
    "127.0.0.1",
    "::1",
    "10.96.0.1",
)


@dataclass(frozen=True, slots=True)
class Request:
    """What a certificate shall say; two equal requests need one certificate."""

    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    client: bool = False
    server: bool = False

    @property
    def digest(self) -> str:
        parts = [
            self.common_name,
            *sorted(self.organizations),
            "|",
            *sorted(self.names),
            str(self.client),
            str(self.server),
        ]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key as PEM files."""

    certificate: Path
    key: Path

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.read_bytes()

    @property
    def key_pem(self) -> bytes:
        return self.key.read_bytes()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Pki:
    """The certificates of one cluster, in `directory`."""

    directory: Path
    now: Callable[[], datetime] = field(default=_utc_now)
    authority: str = "ca"
    """The files in which the authority is kept."""
    authority_name: str = "kubernetes"

    # What each party presents

    def serving(self, extra_names: Iterable[str] = ()) -> KeyPair:
        """The API server's serving certificate: its well-known names, and `extra_names` (DNS names or addresses)."""
        names = tuple(dict.fromkeys((*API_SERVER_NAMES, *extra_names)))
        return self.issue("apiserver", Request("kube-apiserver", names=names, server=True))

    def admin(self) -> KeyPair:
        return self.issue("admin", Request("kubernetes-admin", ("system:masters",), client=True))

    def controller_manager(self) -> KeyPair:
        return self.issue("controller-manager", Request("system:kube-controller-manager", client=True))

    def scheduler(self) -> KeyPair:
        return self.issue("scheduler", Request("system:kube-scheduler", client=True))

    def proxy(self) -> KeyPair:
        return self.issue("kube-proxy", Request("system:kube-proxy", client=True))

    def apiserver_kubelet_client(self) -> KeyPair:
        """What the API server shows to kubelets."""
        return self.issue(
            "apiserver-kubelet-client", Request("kube-apiserver-kubelet-client", ("system:masters",), client=True)
        )

    def node(self, name: str) -> KeyPair:
        """What the kubelet of node `name` shows to the API server."""
        return self.issue(f"kubelet-{name}", Request(f"system:node:{name}", ("system:nodes",), client=True))

    def kubelet_serving(self, name: str, addresses: Iterable[str] = ()) -> KeyPair:
        names = tuple(dict.fromkeys((name, *addresses)))
        request = Request(f"system:node:{name}", ("system:nodes",), names=names, server=True)
        return self.issue(f"kubelet-serving-{name}", request)

    def component_serving(self) -> KeyPair:
        """What controllers and scheduler show to those who ask them on this machine."""
        return self.issue("component-serving", Request("localhost", names=("localhost", "127.0.0.1"), server=True))

    @cached_property
    def front_proxy(self) -> Pki:
        """The authority by which extension API servers know this one, and it knows proxies before it; it vouches for
        nothing else."""
        return Pki(self.directory, self.now, "front-proxy-ca", "front-proxy-ca")

    def front_proxy_client(self) -> KeyPair:
        """What the API server shows to extension API servers."""
        return self.front_proxy.issue(PROXY_NAME, Request(PROXY_NAME, client=True))

    # The authority and the token-signing key

    @cached_property
    def ca_file(self) -> Path:
        self._load_or_create_authority()
        return self.directory / f"{self.authority}.crt"

    @property
    def ca_pem(self) -> bytes:
        return self.ca_file.read_bytes()

    @cached_property
    def service_account_key(self) -> Path:
        """The private key (PEM) that signs service-account tokens; its public half is `sa.pub` beside it."""
        path = self.directory / "sa.key"
        if not path.exists():
            with self._locked():
                if not path.exists():
                    self._create_service_account_key(path)
        return path

    def _create_service_account_key(self, path: Path) -> None:
        from pybernetes.apiserver.auth import certificates

        private, public = certificates.new_key()
        write_public(self.directory / "sa.pub", public)
        write_private(path, private)

    def issue(self, name: str, request: Request) -> KeyPair:
        """The pair kept under `name`, issued now if there is none that says this and lasts."""
        pair = KeyPair(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        authority = hashlib.sha256(self.ca_pem).hexdigest()[:16]
        if self._is_current(pair, name, request, authority):
            return pair
        with self._locked():
            self._issued = self._read_index()
            if not self._is_current(pair, name, request, authority):
                self._issue(pair, name, request, authority)
        return pair

    def _is_current(self, pair: KeyPair, name: str, request: Request, authority: str) -> bool:
        entry = self._issued.get(name)
        return (
            entry is not None
            and entry["request"] == request.digest
            and entry["authority"] == authority
            and datetime.fromisoformat(entry["not_after"]) - self.now() > RENEW_BEFORE
            and pair.certificate.exists()
            and pair.key.exists()
        )

    def _issue(self, pair: KeyPair, name: str, request: Request, authority: str) -> None:
        from pybernetes.apiserver.auth.certificates import Use

        now = self.now()
        use = Use(request.client, request.server)
        issued = self._authority.issue(
            request.common_name, request.organizations, request.names, use, now, now + LIFETIME
        )
        write_private(pair.key, issued.key)
        write_public(pair.certificate, issued.certificate)
        ends = issued.not_after.isoformat()
        self._issued[name] = {"request": request.digest, "authority": authority, "not_after": ends}
        write_private(self._index, orjson.dumps(self._issued, option=orjson.OPT_INDENT_2))

    def sign_request(self, request_pem: bytes, *, lifetime: timedelta, usages: Iterable[str]) -> bytes:
        """Sign a PKCS#10 request as it stands (subject and alternative names); the caller has approved it."""
        from pybernetes.apiserver.auth.certificates import Use

        wanted, now = set(usages), self.now()
        use = Use("client auth" in wanted, "server auth" in wanted)
        return self._authority.sign_request(request_pem, use, now, now + lifetime)

    # Inside

    @property
    def _index(self) -> Path:
        return self.directory / "issued.json"

    @cached_property
    def _issued(self) -> dict[str, dict[str, str]]:
        return self._read_index()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.directory / ".lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _read_index(self) -> dict[str, dict[str, str]]:
        try:
            document: dict[str, dict[str, str]] = orjson.loads(self._index.read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        return document

    def _load_or_create_authority(self) -> None:
        certificate, key = (self.directory / f"{self.authority}.{kind}" for kind in ("crt", "key"))
        if certificate.exists():
            return
        with self._locked():
            if not certificate.exists():
                os.chmod(self.directory, 0o700)
                self._create_authority(certificate, key)

    def _create_authority(self, certificate: Path, key: Path) -> None:
        from pybernetes.apiserver.auth import certificates

        now = self.now()
        issued = certificates.new_authority(self.authority_name, now, now + AUTHORITY_LIFETIME)
        write_private(key, issued.key)
        write_public(certificate, issued.certificate)

    @cached_property
    def _authority(self) -> Authority:
        from pybernetes.apiserver.auth.certificates import Authority

        return Authority(self.ca_pem, (self.directory / f"{self.authority}.key").read_bytes())


def serving_context(pair: KeyPair, client_authority: Path) -> ssl.SSLContext:
    """TLS for a server: shows `pair`, asks clients for a certificate of `client_authority` but does not insist."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(pair.certificate, pair.key)
    context.load_verify_locations(client_authority)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(pair: KeyPair | None, authority: Path | None) -> ssl.SSLContext:
    """TLS for a client: shows `pair`, trusts `authority` only (or nobody is checked when there is none)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context.load_verify_locations(authority)
    if pair is not None:
        context.load_cert_chain(pair.certificate, pair.key)
    return context
