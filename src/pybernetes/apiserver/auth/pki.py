"""The cluster's own certificates: one authority, and everything it signs, kept in a directory.

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
import ipaddress
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

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

AUTHORITY_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=365)
RENEW_BEFORE = timedelta(days=60)
CLOCK_SKEW = timedelta(minutes=5)

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

    # The authority and the token-signing key

    @cached_property
    def ca_file(self) -> Path:
        self._load_or_create_authority()
        return self.directory / "ca.crt"

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
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        write_public(self.directory / "sa.pub", public)
        write_private(path, _key_pem(key))

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
        certificate, key, not_after = self._sign(request)
        write_private(pair.key, key)
        write_public(pair.certificate, certificate)
        self._issued[name] = {"request": request.digest, "authority": authority, "not_after": not_after.isoformat()}
        write_private(self._index, orjson.dumps(self._issued, option=orjson.OPT_INDENT_2))

    def sign_request(self, request_pem: bytes, *, lifetime: timedelta, usages: Iterable[str]) -> bytes:
        """Sign a PKCS#10 request as it stands (subject and alternative names); the caller has approved it."""
        from cryptography import x509

        request = x509.load_pem_x509_csr(request_pem)
        if not request.is_signature_valid:
            raise ValueError("the certificate request is not signed by the key it carries")
        try:
            alternative = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            alternative = None
        wanted = set(usages)
        certificate, _ = self._certificate(
            request.subject,
            request.public_key(),
            alternative,
            client="client auth" in wanted,
            server="server auth" in wanted,
            lifetime=lifetime,
        )
        return certificate

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
        certificate, key = self.directory / "ca.crt", self.directory / "ca.key"
        if certificate.exists():
            return
        with self._locked():
            if not certificate.exists():
                os.chmod(self.directory, 0o700)
                self._create_authority(certificate, key)

    def _create_authority(self, certificate: Path, key: Path) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec

        private = ec.generate_private_key(ec.SECP256R1())
        subject = _name("kubernetes", ())
        now = self.now()
        signed = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + AUTHORITY_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
            .sign(private, hashes.SHA256())
        )
        write_private(key, _key_pem(private))
        write_public(certificate, _certificate_pem(signed))

    @cached_property
    def _authority(self) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

        certificate = x509.load_pem_x509_certificate(self.ca_pem)
        key = serialization.load_pem_private_key((self.directory / "ca.key").read_bytes(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TypeError(f"{self.directory / 'ca.key'} is not an elliptic-curve key")
        return certificate, key

    def _sign(self, request: Request) -> tuple[bytes, bytes, datetime]:
        from cryptography import x509
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        names = [_general_name(name) for name in request.names]
        certificate, not_after = self._certificate(
            _name(request.common_name, request.organizations),
            key.public_key(),
            x509.SubjectAlternativeName(names) if names else None,
            client=request.client,
            server=request.server,
            lifetime=LIFETIME,
        )
        return certificate, _key_pem(key), not_after

    def _certificate(
        self,
        subject: x509.Name,
        public_key: object,
        alternative: x509.SubjectAlternativeName | None,
        *,
        client: bool,
        server: bool,
        lifetime: timedelta,
    ) -> tuple[bytes, datetime]:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID

        authority, authority_key = self._authority
        now = self.now()
        not_after = min(now + lifetime, authority.not_valid_after_utc)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] * server + [ExtendedKeyUsageOID.CLIENT_AUTH] * client
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority.subject)
            .public_key(public_key)  # type: ignore[arg-type]
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=False)
        return _certificate_pem(builder.sign(authority_key, hashes.SHA256())), not_after


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


def _name(common_name: str, organizations: Iterable[str]) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=False,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _certificate_pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM)
