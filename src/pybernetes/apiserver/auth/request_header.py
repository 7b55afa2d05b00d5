"""Users that a trusted proxy vouches for: its certificate says who it is, its headers whom it speaks for.

Guarantees
  A header counts only on a connection whose certificate an authority of ``client_ca`` signed itself, under an allowed
  name. The same certificate is nobody's who asks in his own name.

Follows k8s.io/apiserver/pkg/authentication/request/headerrequest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from pybernetes.apiserver.auth.contract import User

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

PROXY_NAME = "front-proxy-client"


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """Which proxies are trusted, and what their headers are called. Without ``allowed_names`` any name will do."""

    client_ca: Path
    allowed_names: tuple[str, ...] = (PROXY_NAME,)
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    uid_headers: tuple[str, ...] = ()
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_headers_prefix: tuple[str, ...] = ("X-Remote-Extra-",)


class FrontProxies:
    """Tells the certificates of proxies from those of users, who ``client_ca`` knows."""

    def __init__(self, trusted: RequestHeaders, client_ca: Path) -> None:
        self._trusted = trusted
        self._client_ca = client_ca
        self._authorities: dict[Path, list[Certificate]] = {}

    def is_proxy(self, der: bytes, name: str) -> bool:
        """``name`` is the certificate's."""
        allowed = self._trusted.allowed_names
        return self._signed(der, self._trusted.client_ca) and (not allowed or name in allowed)

    def is_user(self, der: bytes) -> bool:
        return self._signed(der, self._client_ca)

    def user_of(self, headers: Mapping[str, str]) -> User | None:
        """Whom a proxy's request is for; None if it does not say."""
        trusted = self._trusted
        name = _first(headers, trusted.username_headers)
        if not name:
            return None
        groups = tuple(value for header in trusted.group_headers for value in _all(headers, header) if value)
        extra = _extra(headers, trusted.extra_headers_prefix)
        return User(name, _first(headers, trusted.uid_headers), groups, extra)

    def _signed(self, der: bytes, authority: Path) -> bool:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        certificate = x509.load_der_x509_certificate(der)
        for one in self._load(authority):
            try:
                certificate.verify_directly_issued_by(one)
            except (InvalidSignature, ValueError, TypeError):
                continue
            return True
        return False

    def _load(self, authority: Path) -> list[Certificate]:
        from cryptography import x509

        if authority not in self._authorities:
            self._authorities[authority] = x509.load_pem_x509_certificates(authority.read_bytes())
        return self._authorities[authority]


def _all(headers: Mapping[str, str], name: str) -> Iterable[str]:
    return (value for given, value in headers.items() if given.lower() == name.lower())


def _first(headers: Mapping[str, str], names: Sequence[str]) -> str:
    return next((value for name in names for value in _all(headers, name) if value), "")


def _extra(headers: Mapping[str, str], prefixes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for prefix in map(str.lower, prefixes):
        for name, value in headers.items():
            lowered = name.lower()
            if lowered.startswith(prefix):
                key = unquote(lowered.removeprefix(prefix))
                found[key] = (*found.get(key, ()), value)
    return found
