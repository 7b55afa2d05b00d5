"""Tokens of other issuers (OpenID Connect): signed with keys that the issuer publishes, their users told by claims.

Guarantees  Keys are fetched when a token needs one that is not known, at most every ten seconds.

Follows k8s.io/apiserver/plugin/pkg/authenticator/token/oidc.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pybernetes.api.clock import Clock
from pybernetes.apiserver.auth.claims import ClaimReader, Unsuited
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.issuer_set import ALGORITHMS
from pybernetes.apiserver.auth.jwt_configuration import JwtAuthenticator
from pybernetes.apiserver.auth.service_accounts import InvalidToken, claimed_issuer

if TYPE_CHECKING:
    import aiohttp

NOT_BEFORE_LEEWAY = 300
SECONDS_BETWEEN_FETCHES = 10.0
SECONDS = 30.0


class IssuerTokens:
    """Implements `TokenSource` for one issuer."""

    def __init__(self, configuration: JwtAuthenticator, clock: Clock, algorithms: Sequence[str] = ALGORITHMS) -> None:
        """Raises CompileError for expressions that do not compile."""
        self._algorithms = list(algorithms)
        self._issuer = configuration.issuer
        self._claims = ClaimReader(configuration)
        self._clock = clock
        self._keys: dict[str, Any] = {}
        self._fetched = -SECONDS_BETWEEN_FETCHES

    async def find(self, token: str) -> User | None:
        if claimed_issuer(token) != self._issuer.url:
            return None
        claims = await self._verified(token)
        try:
            return self._claims.user_of(claims)
        except Unsuited as error:
            raise InvalidToken(str(error)) from error

    async def _verified(self, token: str) -> Mapping[str, Any]:
        import jwt

        key = await self._key_of(str(jwt.get_unverified_header(token).get("kid", "")))
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=self._algorithms, options=options)
        except jwt.PyJWTError as error:
            raise InvalidToken(f"oidc: verify token: {error}") from error
        now = self._clock.now().timestamp()
        if not isinstance(claims.get("exp"), int | float) or claims["exp"] < now:
            raise InvalidToken("oidc: verify token: oidc: token is expired")
        if claims.get("nbf", 0) > now + NOT_BEFORE_LEEWAY:
            raise InvalidToken("oidc: verify token: oidc: current time is before the nbf (not before) time")
        meant = claims.get("aud") or []
        audiences = [meant] if isinstance(meant, str) else meant
        if not set(audiences).intersection(self._issuer.audiences):
            wanted = " ".join(sorted(self._issuer.audiences))
            raise InvalidToken(f"oidc: expected audience in [{wanted}] got {audiences}")
        return claims

    async def _key_of(self, identity: str) -> Any:
        import aiohttp

        if identity not in self._keys and self._clock.monotonic() - self._fetched >= SECONDS_BETWEEN_FETCHES:
            self._fetched = self._clock.monotonic()
            try:
                self._keys = await self._published()
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
                raise InvalidToken(f"oidc: fetching keys: {error}") from error
        if identity in self._keys:
            return self._keys[identity]
        if not identity and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        raise InvalidToken("oidc: verify token: failed to verify signature: no key is known for it")

    async def _published(self) -> dict[str, Any]:
        import aiohttp
        import jwt

        place = self._issuer.discovery_url or f"{self._issuer.url.rstrip('/')}/.well-known/openid-configuration"
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session:
            provider = await _fetched(session, place, self._tls())
            if provider.get("issuer") != self._issuer.url:
                raise ValueError(
                    f"oidc: issuer did not match the issuer returned by provider: {provider.get('issuer')}"
                )
            keys = await _fetched(session, provider["jwks_uri"], self._tls())
        usable = [one for one in keys.get("keys") or () if one.get("use", "sig") == "sig"]
        return {str(one.get("kid", "")): jwt.PyJWK(one, one.get("alg") or None) for one in usable}

    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cadata=self._issuer.certificate_authority or None)


async def _fetched(session: aiohttp.ClientSession, url: str, tls: ssl.SSLContext) -> dict[str, Any]:
    async with session.get(url, ssl=tls) as answer:
        answer.raise_for_status()
        document: dict[str, Any] = await answer.json(content_type=None)
        return document
