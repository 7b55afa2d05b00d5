"""Bootstrap tokens: Secrets `kube-system/bootstrap-token-ID` by which machines join and find out whom to trust.

What their data mean, for who admits them, who signs with them and who removes them.
Follows k8s.io/cluster-bootstrap/util (secrets, tokens) and token/api.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from pybernetes.api.meta import parse_time

SECRET_TYPE = "bootstrap.kubernetes.io/token"
NAMESPACE = "kube-system"
USER_PREFIX = "system:bootstrap:"
DEFAULT_GROUP = "system:bootstrappers"
ID, SECRET, EXPIRATION, GROUPS = "token-id", "token-secret", "expiration", "auth-extra-groups"

_NAME_PREFIX = "bootstrap-token-"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_NAME = re.compile(_NAME_PREFIX + r"([a-z0-9]{6})")
_GROUP = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")

Data = Mapping[str, bytes]


class Usage(Enum):
    """What a token is good for, where its data say "true"."""

    AUTHENTICATION = "usage-bootstrap-authentication"
    SIGNING = "usage-bootstrap-signing"


@dataclass(frozen=True, slots=True)
class Token:
    id: str
    secret: str


def parse(text: str) -> Token | None:
    """`ID.SECRET`, as it is carried by a request."""
    found = _TOKEN.fullmatch(text)
    return None if found is None else Token(*found.groups())


def secret_name(token_id: str) -> str:
    return _NAME_PREFIX + token_id


def id_in_name(secret_name: str) -> str | None:
    found = _NAME.fullmatch(secret_name)
    return None if found is None else found[1]


def text_of(data: Data, key: str) -> str:
    """ "" also for what is no text: no such value means anything."""
    return data.get(key, b"").decode(errors="replace")


def serves(data: Data, usage: Usage) -> bool:
    return data.get(usage.value) == b"true"


def time_left(data: Data, now: datetime) -> timedelta | None:
    """None: it has no end. Zero: it is over, as is one whose end cannot be read."""
    expiration = text_of(data, EXPIRATION)
    if not expiration:
        return None
    try:
        left = parse_time(expiration) - now
    except ValueError:
        return timedelta()
    return max(left, timedelta())


def has_expired(data: Data, now: datetime) -> bool:
    left = time_left(data, now)
    return left is not None and not left


def groups_of(data: Data) -> tuple[str, ...] | None:
    """Whom it makes one a member of, sorted; None if one of the groups is none of a bootstrap token's."""
    extra = text_of(data, GROUPS)
    groups = {DEFAULT_GROUP, *(extra.split(",") if extra else ())}
    if any(group != DEFAULT_GROUP and not _GROUP.fullmatch(group) for group in groups):
        return None
    return tuple(sorted(groups))
