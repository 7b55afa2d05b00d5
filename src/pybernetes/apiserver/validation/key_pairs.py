"""Whether a certificate and a private key belong together, in the words of Go's crypto/tls (X509KeyPair)."""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLOCK = re.compile(rb"-----BEGIN ([^\n]*?)-----\s*?\n.*?-----END \1-----", re.DOTALL)
_CERTIFICATE = "CERTIFICATE"
_KEY = "PRIVATE KEY"


def key_pair_problem(certificate: bytes, key: bytes) -> str:
    """The first thing wrong with a pair in PEM; "" if they fit."""
    blocks = list(_blocks(certificate))
    found = [block for kind, block in blocks if kind == _CERTIFICATE]
    if not found:
        return _no_certificate([kind for kind, _ in blocks])
    skipped: list[str] = []
    for kind, block in _blocks(key):
        if kind == _KEY or kind.endswith(f" {_KEY}"):
            return _mismatch(found[0], block)
        skipped.append(kind)
    return _no_key(skipped)


def _blocks(text: bytes) -> Iterator[tuple[str, bytes]]:
    return ((match.group(1).decode(errors="replace"), match.group(0)) for match in _BLOCK.finditer(text))


def _no_certificate(skipped: list[str]) -> str:
    if not skipped:
        return "tls: failed to find any PEM data in certificate input"
    if len(skipped) == 1 and skipped[0].endswith(_KEY):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
        f"following types: [{' '.join(skipped)}]"
    )


def _no_key(skipped: list[str]) -> str:
    if not skipped:
        return "tls: failed to find any PEM data in key input"
    if skipped == [_CERTIFICATE]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of '
        f"the following types: [{' '.join(skipped)}]"
    )


def _mismatch(certificate: bytes, key: bytes) -> str:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    try:
        own = load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "x509: malformed certificate"
    try:
        other = load_pem_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    if type(own) is not type(other):
        return "tls: private key type does not match public key type"
    return "" if own == other else "tls: private key does not match public key"
