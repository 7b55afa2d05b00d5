"""Who asks, and may they: the two doors of every request.

Guarantees
  ``authenticate`` returns a user, or None when the request carries nothing that this authenticator knows; it raises
  ``errors.unauthorized`` when it knows the credential and finds it wrong.
  ``authorize`` decides and never raises for a refusal; ``Decision.reason`` says why, for the answer and for logs.

Follows the interfaces in k8s.io/apiserver/pkg/authentication and authorization.
"""

from __future__ import annotations

from typing import Protocol

from pybernetes.api.access import Attributes as Attributes
from pybernetes.api.access import Decision as Decision
from pybernetes.api.access import User as User
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import RequestInfo

ANONYMOUS = "system:anonymous"
AUTHENTICATED_GROUP = "system:authenticated"
UNAUTHENTICATED_GROUP = "system:unauthenticated"
MASTERS_GROUP = "system:masters"


SERVER_USER = User("system:apiserver", groups=(MASTERS_GROUP,))
"""Who writes when the server itself does."""
ANONYMOUS_USER = User(ANONYMOUS, groups=(UNAUTHENTICATED_GROUP,))


class Authenticator(Protocol):
    async def authenticate(self, request: ApiRequest) -> User | None: ...


class Authorizer(Protocol):
    async def authorize(self, user: User, attributes: Attributes) -> Decision: ...


class Impersonation(Protocol):
    async def act_as(self, user: User, info: RequestInfo, request: ApiRequest) -> User:
        """Whom the request is served for: ``user``, or who ``user`` asks to be taken for. Raises 400 and 403."""


class EveryoneIs:
    """An authenticator that takes every request for one user's: for tests and for insecure loopback servers."""

    def __init__(self, user: User = ANONYMOUS_USER) -> None:
        self._user = user

    async def authenticate(self, request: ApiRequest) -> User | None:
        return self._user


class AlwaysAllow:
    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return Decision(allowed=True)


class AlwaysDeny:
    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return Decision(allowed=False, reason="Everything is forbidden.")
