"""Service-account tokens: signed statements of who a pod is.

Guarantees
  A token counts while its signature, issuer, audience and times hold, its service account has the uid it names, and
  the pod, secret or node it is bound to (if any) is still there with its uid.
  A token asked for with 3607 seconds lasts a year, and says in `warnafter` when its owner should have renewed it.

Follows pkg/serviceaccount (claims.go) and pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from pybernetes.api.clock import Clock, SystemClock
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.figures import IdentityFigures
from pybernetes.apiserver.auth.rules import go_strings
from pybernetes.store.contract import Store

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

DEFAULT_ISSUER = "https://kubernetes.default.svc.cluster.local"
ALGORITHM = "ES256"
USER_PREFIX = "system:serviceaccount:"
ALL_ACCOUNTS_GROUP = "system:serviceaccounts"

WARN_AFTER_SECONDS = 3607
STRETCHED = timedelta(days=365)
LEEWAY = timedelta(seconds=60)
LONGEST = 1 << 32
NEVER = 1 << 62
REMEMBERED_TOKENS = 4096

_BOUND_RESOURCES = {"Pod": "pods", "Secret": "secrets"}


class InvalidToken(Exception):
    """A token that looks like one of ours and does not count; the message says why."""


@dataclass(frozen=True, slots=True)
class BoundTo:
    """The object that a token dies with. `node` is that of a bound pod."""

    kind: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class IssuedToken:
    token: str
    expires: datetime
    identity: str
    """What it is known by (`jti`)."""


def user_name(namespace: str, name: str) -> str:
    return f"{USER_PREFIX}{namespace}:{name}"


def groups_of(namespace: str) -> tuple[str, ...]:
    return (ALL_ACCOUNTS_GROUP, f"{ALL_ACCOUNTS_GROUP}:{namespace}")


@dataclass
class ServiceAccountTokens:
    """Issues and checks tokens. `key_pem` is the private signing key, `store` knows what still exists."""

    key_pem: bytes
    store: Store
    issuer: str = DEFAULT_ISSUER
    audiences: tuple[str, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
    figures: IdentityFigures = field(default_factory=IdentityFigures, init=False)
    _checked: dict[str, Mapping[str, Any]] = field(default_factory=dict, init=False)
    _live: dict[str, tuple[int, str, str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.audiences = self.audiences or (self.issuer,)

    # Issuing

    def issue(
        self,
        namespace: str,
        name: str,
        uid: str,
        *,
        audiences: Sequence[str] = (),
        seconds: int = 3600,
        bound: Sequence[BoundTo] = (),
    ) -> IssuedToken:
        """A token for the account; `bound` is the pod (and its node), secret or node that it dies with."""
        now = self.clock.now().replace(microsecond=0)
        asked = now + timedelta(seconds=seconds)
        private: dict[str, Any] = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        for one in bound:
            private[one.kind.lower()] = {"name": one.name, "uid": one.uid}
        expires = asked
        if seconds == WARN_AFTER_SECONDS and any(one.kind == "Pod" for one in bound):
            expires = now + STRETCHED
            private["warnafter"] = int(asked.timestamp())
        identity = str(uuid.uuid4())
        claims = {
            "iss": self.issuer,
            "sub": user_name(namespace, name),
            "aud": list(audiences or self.audiences),
            "iat": int(now.timestamp()),
            "nbf": int(now.timestamp()),
            "exp": int(expires.timestamp()),
            "jti": identity,
            "kubernetes.io": private,
        }
        return IssuedToken(self.sign(claims), asked, identity)

    def sign(self, claims: Mapping[str, Any]) -> str:
        import jwt

        return jwt.encode(dict(claims), self._key, algorithm=ALGORITHM, headers={"kid": self.key_id})

    # Checking

    def is_ours(self, token: str) -> bool:
        """Whether the token claims to be issued here (nothing is checked)."""
        return claimed_issuer(token) == self.issuer

    async def check(self, token: str, audiences: Sequence[str] = ()) -> tuple[User, tuple[str, ...]]:
        """The user that the token stands for and which of the `audiences` it is meant for. Raises `InvalidToken`."""
        claims = self._verified(token)
        wanted = audiences or self.audiences
        accepted = tuple(one for one in claims["aud"] if one in wanted)
        if not accepted:
            meant = f"token audiences {go_strings(claims['aud'])} is invalid"
            raise InvalidToken(f"{meant} for the target audiences {go_strings(wanted)}")
        private = claims["kubernetes.io"]
        namespace, account = private["namespace"], private["serviceaccount"]
        await self.must_live("ServiceAccount", f"/registry/serviceaccounts/{namespace}/", account)
        for kind, resource in _BOUND_RESOURCES.items():
            if kind.lower() in private:
                await self.must_live(kind, f"/registry/{resource}/{namespace}/", private[kind.lower()])
        if "node" in private and "pod" not in private:
            await self.must_live("Node", "/registry/minions/", private["node"])
        if private.get("warnafter", NEVER) < self.clock.now().timestamp():
            self.figures.stale += 1
        else:
            self.figures.valid += 1
        return _user(claims), accepted

    def _verified(self, token: str) -> Mapping[str, Any]:
        claims = self.signed_claims(token, self.issuer)
        try:
            private = claims["kubernetes.io"]
            expected = user_name(private["namespace"], private["serviceaccount"]["name"])
            expires, begins = claims["exp"], claims["nbf"]
        except KeyError as error:
            raise InvalidToken(f"the token lacks the claim {error}") from error
        if claims["sub"] != expected:
            raise InvalidToken("the token's subject is not its service account")
        now = self.clock.now()
        if datetime.fromtimestamp(expires, UTC) <= now:
            raise InvalidToken("service account token has expired")
        if datetime.fromtimestamp(begins, UTC) > now + LEEWAY:
            raise InvalidToken("service account token is not valid yet")
        return claims

    def signed_claims(self, token: str, issuer: str) -> Mapping[str, Any]:
        """What a token says whose signature and issuer are right; times and subjects are the caller's to check."""
        claims = self._checked.get(token)
        if claims is None:
            import jwt

            unchecked: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
            try:
                claims = jwt.decode(token, self._key.public_key(), [ALGORITHM], options=unchecked)
            except jwt.PyJWTError as error:
                raise InvalidToken(f"invalid bearer token: {error}") from error
            if len(self._checked) >= REMEMBERED_TOKENS:
                self._checked.clear()
            self._checked[token] = claims
        if claims.get("iss") != issuer:
            raise InvalidToken("invalid bearer token: Invalid issuer")
        return claims

    async def must_live(self, kind: str, prefix: str, reference: Mapping[str, str]) -> None:
        """Raises `InvalidToken` unless the object of that name (below the prefix) exists with that uid."""
        key = prefix + reference["name"]
        entry = await self.store.get(key)
        if entry is None:
            self._live.pop(key, None)
            raise InvalidToken(f"{kind} {reference['name']} has been deleted")
        known = self._live.get(key)
        if known is None or known[0] != entry.mod_revision:
            metadata = orjson.loads(entry.value)["metadata"]
            if len(self._live) >= REMEMBERED_TOKENS:
                self._live.clear()
            known = (entry.mod_revision, metadata.get("uid", ""), metadata.get("deletionTimestamp", ""))
            self._live[key] = known
        _, uid, deleted = known
        if uid != reference["uid"]:
            raise InvalidToken(f"{kind} {reference['name']} is not the one that the token was issued for")
        if deleted and datetime.fromisoformat(deleted) + LEEWAY < self.clock.now():
            raise InvalidToken(f"{kind} {reference['name']} has been deleted")

    # The public side

    @cached_property
    def _key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        key = load_pem_private_key(self.key_pem, password=None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise TypeError("service-account tokens are signed with an elliptic-curve (P-256) key")
        return key

    @cached_property
    def key_id(self) -> str:
        """The hash of the public key, as upstream derives it."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _base64url(hashlib.sha256(der).digest())

    def key_set(self) -> dict[str, Any]:
        """The JSON Web Key Set of the signing key."""
        numbers = self._key.public_key().public_numbers()
        key = {
            "use": "sig",
            "kty": "EC",
            "kid": self.key_id,
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": _base64url(numbers.x.to_bytes(32, "big")),
            "y": _base64url(numbers.y.to_bytes(32, "big")),
        }
        return {"keys": [key]}


def claimed_issuer(token: str) -> str:
    """The issuer that a token names; "" if it is no token of this form. Nothing is checked."""
    parts = token.split(".")
    if len(parts) != 3:
        return ""
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return ""
    issuer = claims.get("iss") if isinstance(claims, dict) else ""
    return issuer if isinstance(issuer, str) else ""


def _user(claims: Mapping[str, Any]) -> User:
    private = claims["kubernetes.io"]
    namespace, account = private["namespace"], private["serviceaccount"]
    extra: dict[str, tuple[str, ...]] = {}
    if "jti" in claims:
        extra["authentication.kubernetes.io/credential-id"] = (f"JTI={claims['jti']}",)
    for kind in ("pod", "node"):
        if kind in private:
            extra[f"authentication.kubernetes.io/{kind}-name"] = (private[kind]["name"],)
            extra[f"authentication.kubernetes.io/{kind}-uid"] = (private[kind]["uid"],)
    return User(user_name(namespace, account["name"]), account["uid"], groups_of(namespace), extra)


def _base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
