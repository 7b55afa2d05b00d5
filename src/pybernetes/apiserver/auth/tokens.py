"""Bearer tokens that an operator hands out: administrators', and those that agents join with.

Guarantees
  Only a token's SHA-256 is kept (tokens are random, so nothing slower is needed); the file is the owner's alone.
  A token added or revoked by another process counts from the next request on: the file is looked at again when changed.
Join tokens have upstream's form `id.secret` and name the user `system:bootstrap:ID`.
"""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from pybernetes.apiserver.auth.contract import MASTERS_GROUP, User
from pybernetes.apiserver.auth.files import write_private

BOOTSTRAPPERS = "system:bootstrappers"
NODE_BOOTSTRAPPERS = "system:bootstrappers:kubeadm:default-node-token"
ADMIN_PREFIX = "p8s-"
_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class KnownToken:
    user: str
    groups: tuple[str, ...]
    expires: datetime | None

    def as_user(self) -> User:
        return User(self.user, groups=self.groups)


class TokenFile:
    """The tokens in `path`; a file that does not exist holds none."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int, int] | None = None
        self._tokens: dict[str, KnownToken] = {}

    def find(self, token: str, now: datetime) -> User | None:
        self._refresh()
        known = self._tokens.get(_digest(token))
        if known is None or (known.expires is not None and known.expires <= now):
            return None
        return known.as_user()

    def add_admin(self, *, name: str = "kubernetes-admin", lifetime: timedelta | None = None) -> str:
        """A new token of a cluster administrator; this is the only time that it can be read."""
        return self._add(ADMIN_PREFIX + secrets.token_hex(24), name, (MASTERS_GROUP,), lifetime)

    def add_join(self, *, lifetime: timedelta | None = timedelta(hours=24)) -> str:
        """A new token that a node may ask for its certificate with."""
        identity = "".join(secrets.choice(_LETTERS) for _ in range(6))
        secret = "".join(secrets.choice(_LETTERS) for _ in range(16))
        groups = (BOOTSTRAPPERS, NODE_BOOTSTRAPPERS)
        return self._add(f"{identity}.{secret}", f"system:bootstrap:{identity}", groups, lifetime)

    def revoke(self, token: str) -> bool:
        """True if the token was known."""
        document = self._load()
        if document.pop(_digest(token), None) is None:
            return False
        write_private(self._path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return True

    def _add(self, token: str, user: str, groups: tuple[str, ...], lifetime: timedelta | None) -> str:
        document = self._load()
        expires = (datetime.now(UTC) + lifetime).isoformat() if lifetime else None
        document[_digest(token)] = {"user": user, "groups": list(groups), "expires": expires}
        write_private(self._path, orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return token

    def _load(self) -> dict[str, Any]:
        try:
            document: dict[str, Any] = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        return document

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._read_at, self._tokens = None, {}
            return
        state = (status.st_mtime_ns, status.st_ino, status.st_size)
        if state == self._read_at:
            return
        self._tokens = {
            digest: KnownToken(
                entry["user"],
                tuple(entry["groups"]),
                datetime.fromisoformat(entry["expires"]) if entry["expires"] else None,
            )
            for digest, entry in self._load().items()
        }
        self._read_at = state


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
