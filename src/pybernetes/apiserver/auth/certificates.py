"""Making certificates: an authority, and what it signs. Pure but for randomness; PEM in, PEM out.

Keys are elliptic curves (P-256): they cost a tenth of a millisecond each. `pki` imports this only when something has
to be issued, for the library behind it takes longer to load than to use.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Issued:
    certificate: bytes
    key: bytes
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Use:
    """What a certificate may be shown for."""

    client: bool = False
    server: bool = False


class Authority:
    def __init__(self, certificate_pem: bytes, key_pem: bytes) -> None:
        self._certificate = x509.load_pem_x509_certificate(certificate_pem)
        self._key = private_key(key_pem)

    def issue(
        self,
        common_name: str,
        organizations: Iterable[str],
        names: Iterable[str],
        use: Use,
        now: datetime,
        end: datetime,
    ) -> Issued:
        """A new key and its certificate; `names` are DNS names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        general = [_general_name(name) for name in names]
        alternative = x509.SubjectAlternativeName(general) if general else None
        end = min(end, self._certificate.not_valid_after_utc)
        subject = _subject(common_name, organizations)
        return Issued(self._sign(subject, key.public_key(), alternative, use, now, end), key_pem(key), end)

    def sign_request(self, request_pem: bytes, use: Use, now: datetime, end: datetime) -> bytes:
        """A certificate for a PKCS#10 request as it stands: its subject, key and alternative names."""
        request = x509.load_pem_x509_csr(request_pem)
        if not request.is_signature_valid:
            raise ValueError("the certificate request is not signed by the key it carries")
        try:
            alternative = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            alternative = None
        end = min(end, self._certificate.not_valid_after_utc)
        return self._sign(request.subject, request.public_key(), alternative, use, now, end)

    def _sign(
        self,
        subject: x509.Name,
        public_key: CertificatePublicKeyTypes,
        alternative: x509.SubjectAlternativeName | None,
        use: Use,
        now: datetime,
        end: datetime,
    ) -> bytes:
        usages = [ExtendedKeyUsageOID.SERVER_AUTH] * use.server + [ExtendedKeyUsageOID.CLIENT_AUTH] * use.client
        signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            _builder(subject, self._certificate.subject, public_key, now, end, authority=False)
            .add_extension(signer, critical=False)
        )  # fmt: skip
        if usages:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        if alternative is not None:
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def new_authority(common_name: str, now: datetime, end: datetime) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(common_name, ())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    builder = _builder(subject, subject, key.public_key(), now, end, authority=True)
    signed = builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256())
    return Issued(signed.public_bytes(Encoding.PEM), key_pem(key), end)


def requested_subject(request_base64: str) -> tuple[str, tuple[str, ...], tuple[str, ...], bool]:
    """What a PKCS#10 request (PEM, in base64 as objects hold it) asks to be: common name, organizations, its DNS names
    and addresses, and whether it has alternative names of other kinds."""
    request = x509.load_pem_x509_csr(base64.b64decode(request_base64))
    try:
        general = list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        general = []
    names = tuple(str(one.value) for one in general if isinstance(one, x509.DNSName | x509.IPAddress))
    common = [str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = tuple(str(one.value) for one in request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    return (common or [""])[0], organizations, names, len(names) != len(general)


def new_key() -> tuple[bytes, bytes]:
    """(private, public) of a new signing key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key_pem(key), key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def private_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the private key is not one of an elliptic curve")
    return key


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    now: datetime,
    end: datetime,
    *,
    authority: bool,
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(
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
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
    )


def _subject(common_name: str, organizations: Iterable[str]) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in organizations]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
