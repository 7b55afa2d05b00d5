"""Certificate requests: the request itself, its signer, the decisions about it and the certificate.

Follows pkg/apis/certificates/validation and ValidateSignerName in pkg/apis/core/validation.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    invalid,
    is_dns_label,
    is_dns_subdomain,
    not_supported,
    quoted,
    required,
    too_long,
)
from pybernetes.api.models.certificates_v1 import CertificateSigningRequestCondition

APPROVED, DENIED, FAILED = "Approved", "Denied", "Failed"
LONGEST_DOMAIN = 253
LONGEST_SIGNER = LONGEST_DOMAIN + 1 + LONGEST_DOMAIN + 63 + 1
_STATUSES = ("False", "True", "Unknown")
_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]*)-----\r?\n(.*?)-----END \1-----", re.DOTALL)


def check_signer_name(name: str, path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    segments = name.split("/")
    if len(segments) != 2:
        yield invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")
        return
    domain, signer = segments
    if len(domain.encode()) > LONGEST_DOMAIN:
        yield too_long(path, name, LONGEST_DOMAIN)
    labels = domain.split(".")
    wrong = next((label for label in labels if is_dns_label(label)), None)
    for message in is_dns_label(wrong) if wrong is not None else ():
        yield invalid(path, domain, f"validating label {quoted(wrong or '')}: {message}")
    if len(labels) < 2:
        yield invalid(path, domain, "should be a domain with at least two segments separated by dots")
    wrong = next((label for label in signer.split(".") if is_dns_subdomain(label)), None)
    for message in is_dns_subdomain(wrong) if wrong is not None else ():
        yield invalid(path, signer, f"validating label {quoted(wrong or '')}: {message}")
    if len(name.encode()) > LONGEST_SIGNER:
        yield too_long(path, name, LONGEST_SIGNER)


def check_request(pem: bytes, path: FieldPath) -> Iterator[FieldError]:
    from cryptography import x509  # Slow to load, and few servers ever see a request.

    block = _BLOCK.search(pem)
    if block is None or block.group(1) != b"CERTIFICATE REQUEST":
        yield invalid(path, pem or None, "PEM block type must be CERTIFICATE REQUEST")
        return
    try:
        request = x509.load_der_x509_csr(_decoded(block.group(2)))
    except ValueError:
        yield invalid(path, pem, "asn1: syntax error: data truncated")
        return
    if not request.is_signature_valid:
        yield invalid(path, pem, "crypto/rsa: verification error")


def check_certificate(pem: bytes, path: FieldPath) -> Iterator[FieldError]:
    if pem and (wrong := _wrong_with_certificate(pem)):
        yield invalid(path, "<certificate data>", wrong)


def _wrong_with_certificate(pem: bytes) -> str:
    from cryptography import x509

    blocks = _BLOCK.findall(pem)
    for kind, body in blocks:
        if kind != b"CERTIFICATE":
            return f"only CERTIFICATE PEM blocks are allowed, found {quoted(kind.decode())}"
        if b":" in body:
            return "no PEM block headers are permitted"
        try:
            x509.load_der_x509_certificate(_decoded(body))
        except ValueError:
            return "x509: malformed certificate"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"


def _decoded(body: bytes) -> bytes:
    """Raises ValueError for what is not base64."""
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def check_decisions(
    conditions: Sequence[CertificateSigningRequestCondition],
    old: Sequence[CertificateSigningRequestCondition],
    path: FieldPath,
) -> Iterator[FieldError]:
    """What the old conditions already had wrong may stay."""
    before = [one.type for one in old]
    both_before = APPROVED in before and DENIED in before
    repeated_before = len(set(before)) < len(before)
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        each = path[index]
        if not condition.type and "" not in before:
            yield required(each.type)
        allowed = ("True",) if condition.type in (APPROVED, DENIED, FAILED) else _STATUSES
        if not condition.status:
            yield required(each.status)
        elif condition.status not in allowed:
            yield not_supported(each.status, condition.status, allowed)
        opposite = {APPROVED: DENIED, DENIED: APPROVED}.get(condition.type)
        if opposite in seen and not both_before:
            yield invalid(path, condition.type, "Approved and Denied conditions are mutually exclusive")
        if condition.type in seen and not repeated_before:
            yield duplicate(each.type, condition.type)
        seen.add(condition.type)
