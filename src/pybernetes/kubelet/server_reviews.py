"""`Access` by asking the API server: whose a token is (TokenReview), and whether a user may (SubjectAccessReview).

Guarantees  Answers are kept for a while: allowed longer than refused, as upstream's kubelet does. Who presents the
            API server's own certificate is let in without asking, so that logs work while the API server is busy.
            When it cannot be asked, nobody new is let in.
Follows pkg/kubelet/server/auth.go and staging/src/k8s.io/apiserver/plugin/pkg/{authenticator/token,authorizer}/webhook.
"""

from __future__ import annotations

import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.models.authentication_v1 import TokenReview, TokenReviewSpec
from pybernetes.api.models.authorization_v1 import ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from pybernetes.client import Client, Unreachable
from pybernetes.client.remembered import Remembered
from pybernetes.kubelet.server_access import ClusterAdministratorsOnly, User

log = structlog.get_logger(__name__)

ALLOWED_FOR = 300.0
REFUSED_FOR = 30.0
TOKEN_FOR = 120.0


class ReviewedAccess:
    def __init__(self, client: Client, node_name: str) -> None:
        self._client = client
        self._node_name = node_name
        self._trusted = ClusterAdministratorsOnly()
        self._users: Remembered[User] = Remembered()
        self._answers: Remembered[bool] = Remembered()

    async def user_of(self, token: str) -> User | None:
        known = self._users.get(token)
        if known is not None:
            return known
        try:
            review = await self._client.create(TokenReview(spec=TokenReviewSpec(token=token)))
        except (ApiError, Unreachable) as error:
            log.warning("a token could not be reviewed", error=str(error))
            return None
        if not review.status.authenticated:
            return None
        user = User(review.status.user.username, tuple(review.status.user.groups))
        self._users.put(token, user, TOKEN_FOR)
        return user

    async def allows(self, user: User, verb: str, subresource: str) -> bool:
        if await self._trusted.allows(user, verb, subresource):
            return True
        key = (user, verb, subresource)
        known = self._answers.get(key)
        if known is not None:
            return known
        attributes = ResourceAttributes(
            verb=verb, version="v1", resource="nodes", subresource=subresource, name=self._node_name
        )
        spec = SubjectAccessReviewSpec(resource_attributes=attributes, user=user.name, groups=list(user.groups))
        try:
            review = await self._client.create(SubjectAccessReview(spec=spec))
        except (ApiError, Unreachable) as error:
            log.warning("access could not be reviewed", user=user.name, error=str(error))
            return False
        allowed = review.status.allowed
        self._answers.put(key, allowed, ALLOWED_FOR if allowed else REFUSED_FOR)
        return allowed
