"""Secrets: what each type must hold, and what is said of pairs that do not fit."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from apiserver.resources.support import created, problems, update_problems
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.secret import SECRETS
from pybernetes.apiserver.validation.key_pairs import key_pair_problem

JUNK = b"-----BEGIN JUNK-----\nAAAA\n-----END JUNK-----\n"


def pem_of(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_of(key: EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime(2026, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    dated = builder.serial_number(7).not_valid_before(start).not_valid_after(start + timedelta(days=1))
    return dated.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
CERTIFICATE = certificate_of(KEY)


@pytest.mark.parametrize(
    ("certificate", "key", "problem"),
    [
        (CERTIFICATE, pem_of(KEY), ""),
        (CERTIFICATE + CERTIFICATE, JUNK + pem_of(KEY), ""),
        (CERTIFICATE, pem_of(OTHER), "tls: private key does not match public key"),
        (b"", b"", "tls: failed to find any PEM data in certificate input"),
        (CERTIFICATE, b"x", "tls: failed to find any PEM data in key input"),
        (
            pem_of(KEY),
            CERTIFICATE,
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched",
        ),
        (CERTIFICATE, CERTIFICATE, "tls: found a certificate rather than a key in the PEM for the private key"),
        (
            JUNK,
            pem_of(KEY),
            'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
            "following types: [JUNK]",
        ),
        (CERTIFICATE, JUNK.replace(b"JUNK", b"PRIVATE KEY"), "tls: failed to parse private key"),
    ],
)
def test_a_pair_is_judged_in_the_words_of_go(certificate: bytes, key: bytes, problem: str) -> None:
    assert key_pair_problem(certificate, key) == problem


def secret(kind: str, **data: bytes) -> Document:
    encoded = {name.replace("_", "."): base64.b64encode(value).decode() for name, value in data.items()}
    return {"metadata": {"name": "s"}, "type": kind, "data": encoded}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"[", "unexpected end of JSON input"),
        (b"[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
def test_a_docker_configuration_must_be_an_object(content: bytes, message: str) -> None:
    found = problems(SECRETS, secret("kubernetes.io/dockercfg", _dockercfg=content))
    assert found == [f'data[.dockercfg]: Invalid value: "<secret contents redacted>": {message}']


def test_the_type_of_a_secret_stays() -> None:
    old = created(SECRETS, secret("Opaque"))
    assert update_problems(SECRETS, old, type="kubernetes.io/tls") == [
        'type: Invalid value: "kubernetes.io/tls": field is immutable',
        "data[tls.crt]: Required value",
        "data[tls.key]: Required value",
    ]
