"""Who asks: client certificates, bearer tokens, and nobody in particular.

Guarantees
  A request is one user's. A bearer token that nobody knows is refused (401), it never falls back to anonymous;
  a request without credentials is `system:anonymous`, and the roles decide what that user may do.
  Everyone with credentials is in `system:authenticated`.

Follows k8s.io/apiserver/pkg/authentication/request.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from hmac import compare_digest
from time import time
from typing import TYPE_CHECKING, Protocol

import orjson

from pybernetes.api import bootstrap_tokens, errors
from pybernetes.api.clock import Clock, SystemClock
from pybernetes.apiserver.auth.contract import (
    ANONYMOUS_USER,
    AUTHENTICATED_GROUP,
    UNAUTHENTICATED_GROUP,
    User,
)
from pybernetes.apiserver.auth.figures import IdentityFigures
from pybernetes.apiserver.auth.request_header import FrontProxies
from pybernetes.apiserver.auth.service_accounts import InvalidToken, ServiceAccountTokens
from pybernetes.apiserver.auth.tokens import TokenFile
from pybernetes.apiserver.http import ApiRequest
from pybernetes.store.contract import Store

if TYPE_CHECKING:
    from cryptography import x509

CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
UID_OID = "1.3.6.1.4.1.57683.2"
"""Where the subject of a certificate may state its user's uid."""
REMEMBERED_CERTIFICATES = 4096
REMEMBERED_TOKENS = 1024
REMEMBERED_SECONDS = 1.0
SPACE_BEFORE_TOKEN = "the provided Authorization header contains extra space before the bearer token, and is ignored"
BEARER_PROTOCOL = "base64url.bearer.authorization.k8s.io."


class TokenSource(Protocol):
    """Knows some bearer tokens. None: not one of mine; `InvalidToken`: mine, and it does not count."""

    async def find(self, token: str) -> User | None: ...


class FileTokens:
    """The tokens that an operator handed out. One that was just good is good for a second more, unasked."""

    def __init__(self, file: TokenFile, clock: Clock | None = None) -> None:
        self._file = file
        self._clock = clock or SystemClock()
        self._remembered: dict[str, tuple[User, float]] = {}

    async def find(self, token: str) -> User | None:
        now = self._clock.monotonic()
        known = self._remembered.get(token)
        if known is not None and now < known[1]:
            return known[0]
        user = self._file.find(token, self._clock.now())
        if len(self._remembered) >= REMEMBERED_TOKENS:
            self._remembered.clear()
        if user is None:
            return None
        user = _known(user)
        self._remembered[token] = (user, now + REMEMBERED_SECONDS)
        return user


@dataclass(frozen=True, slots=True)
class AccountTokens:
    tokens: ServiceAccountTokens

    async def find(self, token: str) -> User | None:
        if not self.tokens.is_ours(token):
            return None
        user, _ = await self.tokens.check(token)
        return user


@dataclass(frozen=True, slots=True)
class BootstrapTokens:
    """Tokens `id.secret` kept as Secrets `kube-system/bootstrap-token-ID`, as upstream's kubeadm makes them.

    Follows plugin/pkg/auth/authenticator/token/bootstrap.
    """

    store: Store
    clock: Clock = field(default_factory=SystemClock)

    async def find(self, token: str) -> User | None:
        asked = bootstrap_tokens.parse(token)
        if asked is None:
            return None
        name = bootstrap_tokens.secret_name(asked.id)
        entry = await self.store.get(f"/registry/secrets/{bootstrap_tokens.NAMESPACE}/{name}")
        if entry is None:
            return None
        document = orjson.loads(entry.value)
        if document["metadata"].get("deletionTimestamp") or document.get("type") != bootstrap_tokens.SECRET_TYPE:
            return None
        data = {key: base64.b64decode(value) for key, value in (document.get("data") or {}).items()}
        groups = bootstrap_tokens.groups_of(data)
        if groups is None or not self._is_good(asked, data):
            return None
        return User(bootstrap_tokens.USER_PREFIX + asked.id, groups=groups)

    def _is_good(self, asked: bootstrap_tokens.Token, data: bootstrap_tokens.Data) -> bool:
        return (
            compare_digest(data.get(bootstrap_tokens.SECRET, b""), asked.secret.encode())
            and bootstrap_tokens.text_of(data, bootstrap_tokens.ID) == asked.id
            and not bootstrap_tokens.has_expired(data, self.clock.now())
            and bootstrap_tokens.serves(data, bootstrap_tokens.Usage.AUTHENTICATION)
        )


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate stands for: a user, a proxy that speaks for others, both or neither."""

    user: User | None
    is_proxy: bool = False
    expires: float = 0.0
    """In seconds of the epoch."""


def everywhere(path: str) -> bool:
    return True


class RequestAuthenticator:
    """Certificate, then bearer token, then anonymous. Without ``proxies`` every certificate that TLS let through is a
    user's."""

    def __init__(
        self,
        tokens: Sequence[TokenSource] = (),
        proxies: FrontProxies | None = None,
        anonymous: Callable[[str], bool] = everywhere,
        figures: IdentityFigures | None = None,
    ) -> None:
        """``anonymous``: whether a path may be asked for without credentials."""
        self._sources = tuple(tokens)
        self._proxies = proxies
        self._anonymous = anonymous
        self._figures = figures or IdentityFigures()
        self._certificates: dict[bytes, Certified] = {}

    async def authenticate(self, request: ApiRequest) -> User | None:
        peer = request.peer
        user = self._of_certificate(peer.der, request.headers) if peer is not None else None
        if user is not None:
            return user
        token = bearer_token(request.headers)
        if token is not None:
            return await self._of_token(token)
        if _credentials(request.headers) == ("bearer", ""):
            request.warnings.append(SPACE_BEFORE_TOKEN)
        if peer is not None:
            raise errors.unauthorized()
        return ANONYMOUS_USER if self._anonymous(request.path) else None

    async def find(self, token: str) -> User | None:
        """The user that a bearer token stands for; None if nobody knows it. Raises `InvalidToken`."""
        for source in self._sources:
            user = await source.find(token)
            if user is not None:
                return _known(user)
        return None

    async def _of_token(self, token: str) -> User:
        try:
            user = await self.find(token)
        except InvalidToken as error:
            raise errors.unauthorized() from error
        if user is None:
            raise errors.unauthorized()
        return user

    def _of_certificate(self, der: bytes, headers: Mapping[str, str]) -> User | None:
        certified = self._certificates.get(der)
        if certified is None:
            if len(self._certificates) >= REMEMBERED_CERTIFICATES:
                self._certificates.clear()
            certified = self._certificates[der] = self._certified(der)
        self._figures.certificates.observe(certified.expires - time())
        if certified.is_proxy and self._proxies is not None:
            user = self._proxies.user_of(headers)
            if user is not None:
                return _known(user)
        return certified.user

    def _certified(self, der: bytes) -> Certified:
        user, expires = _known(certificate_user(der)), _end_of(der)
        if self._proxies is None:
            return Certified(user, expires=expires)
        of_user = user if self._proxies.is_user(der) else None
        return Certified(of_user, self._proxies.is_proxy(der, user.name), expires)


def _credentials(headers: Mapping[str, str]) -> tuple[str, str]:
    """The first two words of the Authorization header; a second space makes the second word empty."""
    words = headers.get("authorization", "").strip().split(" ", 2)
    return (words[0].lower(), words[1]) if len(words) > 1 else ("", "")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """The token of the Authorization header, or the one that browsers put among WebSocket protocols."""
    scheme, token = _credentials(headers)
    if scheme == "bearer" and token:
        return token
    for protocol in headers.get("sec-websocket-protocol", "").split(","):
        name = protocol.strip()
        if name.startswith(BEARER_PROTOCOL):
            encoded = name.removeprefix(BEARER_PROTOCOL)
            try:
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            except ValueError:
                raise errors.unauthorized() from None
    return None


def certificate_user(der: bytes) -> User:
    """The user that a verified client certificate names: common name and organizations."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_der_x509_certificate(der).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    groups = subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    if not names:
        raise errors.unauthorized()
    known_as = f"X509SHA256={sha256(der).hexdigest()}"
    return User(
        str(names[0].value),
        _stated_uid(subject),
        tuple(str(group.value) for group in groups),
        {CREDENTIAL_ID: (known_as,)},
    )


def _end_of(der: bytes) -> float:
    from cryptography import x509

    return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()


def _stated_uid(subject: x509.Name) -> str:
    """Raises 401 for a subject that states several."""
    from cryptography import x509

    stated = subject.get_attributes_for_oid(x509.ObjectIdentifier(UID_OID))
    if len(stated) > 1 or any(not one.value for one in stated):
        raise errors.unauthorized()
    return str(stated[0].value) if stated else ""


def _known(user: User) -> User:
    if AUTHENTICATED_GROUP in user.groups or UNAUTHENTICATED_GROUP in user.groups:
        return user
    return replace(user, groups=(*user.groups, AUTHENTICATED_GROUP))
