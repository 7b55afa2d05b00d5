"""Long-lived service-account tokens, kept in Secrets of the type `kubernetes.io/service-account-token`.

Guarantees
  A Secret of that type is filled when it is written: token, `ca.crt` and namespace, for the account that its annotation
  names; an account that does not exist is refused.
  The token counts while the Secret holds it and the account has the uid it was issued for. It has no end, but it is
  refused while its Secret is labelled as invalid. The day of its last use is noted in a label of the Secret.

Not built: the warning and the audit annotations about tokens of this kind.
Follows pkg/serviceaccount/legacy.go and pkg/controller/serviceaccount/tokens_controller.go (which fills later).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from typing import Any

import orjson

from pybernetes.api import errors, go_json
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.service_accounts import (
    InvalidToken,
    ServiceAccountTokens,
    claimed_issuer,
    groups_of,
    user_name,
)
from pybernetes.store.contract import Entry, ModRevisionIs, Put

ISSUER = "kubernetes/serviceaccount"
SECRET_TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
_CLAIM = "kubernetes.io/serviceaccount/"


@dataclass(frozen=True, slots=True)
class SecretTokens:
    """Knows the tokens in Secrets (a `TokenSource`)."""

    tokens: ServiceAccountTokens

    async def find(self, token: str) -> User | None:
        if claimed_issuer(token) != ISSUER:
            return None
        claims = self.tokens.signed_claims(token, ISSUER)
        try:
            namespace, secret = claims[_CLAIM + "namespace"], claims[_CLAIM + "secret.name"]
            name, uid = claims[_CLAIM + "service-account.name"], claims[_CLAIM + "service-account.uid"]
        except KeyError as error:
            raise InvalidToken(f"the token lacks the claim {error}") from error
        entry, document = await self._held(token, namespace, secret)
        account = {"name": name, "uid": uid}
        await self.tokens.must_live("ServiceAccount", f"/registry/serviceaccounts/{namespace}/", account)
        await self._note_use(entry, document)
        figures = self.tokens.figures
        if (document["metadata"].get("labels") or {}).get(INVALID_SINCE):
            figures.legacy_invalid += 1
            raise InvalidToken(f"the token in secret {namespace}/{secret} has been marked invalid")
        figures.legacy += 1
        figures.legacy_manual += 1
        return User(user_name(namespace, name), uid, groups_of(namespace))

    async def _note_use(self, entry: Entry, document: dict[str, Any]) -> None:
        """Once a day. A Secret that was changed meanwhile is left alone: the next use comes."""
        now = self.tokens.clock.now()
        labels = document["metadata"].get("labels") or {}
        days = [f"{now + timedelta(days=ahead):%Y-%m-%d}" for ahead in (0, 1)]
        if labels.get(LAST_USED) in days:
            return
        metadata = document["metadata"] | {"labels": labels | {LAST_USED: days[0]}}
        await self.tokens.store.transact(
            require=[ModRevisionIs(entry.key, entry.mod_revision)],
            write=[Put(entry.key, go_json.dumps(document | {"metadata": metadata}))],
        )

    async def _held(self, token: str, namespace: str, secret: str) -> tuple[Entry, dict[str, Any]]:
        entry = await self.tokens.store.get(f"/registry/secrets/{namespace}/{secret}")
        if entry is None:
            raise InvalidToken("the token has been invalidated: its secret is gone")
        document: dict[str, Any] = orjson.loads(entry.value)
        held = base64.b64decode((document.get("data") or {}).get("token", ""))
        if document["metadata"].get("deletionTimestamp") or not compare_digest(held, token.encode()):
            raise InvalidToken("the token does not match the server's copy")
        return entry, document


class TokenSecrets(Plugin):
    """Fills the Secrets."""

    name = "ServiceAccountTokenSecrets"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"secrets"})

    def __init__(self, tokens: ServiceAccountTokens, authority: bytes) -> None:
        self._tokens = tokens
        self._authority = authority

    async def mutate(self, attributes: Attributes) -> None:
        secret = attributes.document
        if secret is None or secret.get("type") != SECRET_TYPE:
            return
        annotations = secret["metadata"].get("annotations") or {}
        account_name = annotations.get(ACCOUNT_NAME, "")
        if not account_name:
            return
        entry = await self._tokens.store.get(f"/registry/serviceaccounts/{attributes.namespace}/{account_name}")
        if entry is None:
            raise errors.not_found("serviceaccounts", account_name)
        uid = orjson.loads(entry.value)["metadata"].get("uid", "")
        annotations[ACCOUNT_UID] = uid
        data = secret.get("data") or {}
        filled = {"namespace": attributes.namespace.encode(), "ca.crt": self._authority}
        if not data.get("token"):
            filled["token"] = self._token(attributes.namespace, account_name, uid, attributes.name).encode()
        secret["data"] = {
            name: base64.b64encode(value).decode("ascii") for name, value in filled.items() if value
        } | data

    def _token(self, namespace: str, account: str, uid: str, secret: str) -> str:
        claims: Mapping[str, Any] = {
            "iss": ISSUER,
            "sub": user_name(namespace, account),
            _CLAIM + "namespace": namespace,
            _CLAIM + "secret.name": secret,
            _CLAIM + "service-account.name": account,
            _CLAIM + "service-account.uid": uid,
        }
        return self._tokens.sign(claims)
