"""Bearer tokens of a file that is read once: `token,user,uid,"group1,group2"`.

Follows k8s.io/apiserver/pkg/authentication/token/tokenfile.
"""

from __future__ import annotations

import csv
import logging
from pathlib import Path

from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth.contract import AUTHENTICATED_GROUP, User

log = logging.getLogger(__name__)

FEWEST_COLUMNS = 3


class StaticTokens:
    """Implements `TokenSource`."""

    def __init__(self, path: str) -> None:
        """Raises ConfigurationError."""
        self._users: dict[str, User] = {}
        try:
            with Path(path).open(newline="", encoding="utf-8") as file:
                for number, record in enumerate(filter(None, csv.reader(file, strict=True)), 1):
                    self._take(path, number, record)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise ConfigurationError(f"cannot read token file {path}: {error}") from error

    def _take(self, path: str, number: int, record: list[str]) -> None:
        if len(record) < FEWEST_COLUMNS:
            columns = "must have at least 3 columns (token, user name, user uid)"
            raise ConfigurationError(f"token file '{path}' {columns}, found {len(record)}")
        token, name, uid, *more = record
        if not token:
            log.warning("an empty token has been found in %s, record %d", path, number)
            return
        if token in self._users:
            log.warning("a token is given twice in %s, record %d", path, number)
        groups = tuple(more[0].split(",")) if more else ()
        self._users[token] = User(name, uid, (*groups, AUTHENTICATED_GROUP))

    async def find(self, token: str) -> User | None:
        return self._users.get(token)
