"""Who asks a component and whether they may, as the API server knows it: TokenReview and SubjectAccessReview.

Guarantees  Answers count for ten seconds, so that a scrape costs two calls at most.
Raises      What the calls raise: who cannot be judged is not let in, and hears why.
Follows k8s.io/apiserver/pkg/server/options (authentication.go, authorization.go) with their defaults.
"""

from __future__ import annotations

from dataclasses import dataclass

from pybernetes.api.models.authentication_v1 import TokenReview, TokenReviewSpec
from pybernetes.api.models.authorization_v1 import NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec
from pybernetes.client.client import Client
from pybernetes.client.remembered import Remembered

REMEMBERED_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Asker:
    name: str
    groups: tuple[str, ...] = ()


ANONYMOUS = Asker("system:anonymous", ("system:unauthenticated",))


class DelegatedAccess:
    def __init__(self, client: Client) -> None:
        """``client`` may create both reviews."""
        self._client = client
        self._askers: Remembered[Asker] = Remembered()
        self._answers: Remembered[bool] = Remembered()

    async def asker_of(self, token: str) -> Asker | None:
        """None: the API server does not know the token. Raises ApiError or Unreachable."""
        known = self._askers.get(token)
        if known is not None:
            return known
        review = await self._client.create(TokenReview(spec=TokenReviewSpec(token=token)))
        if not review.status.authenticated:
            return None
        asker = Asker(review.status.user.username, tuple(review.status.user.groups))
        self._askers.put(token, asker, REMEMBERED_SECONDS)
        return asker

    async def allows(self, asker: Asker, verb: str, path: str) -> bool:
        """Raises ApiError or Unreachable."""
        key = (asker, verb, path)
        known = self._answers.get(key)
        if known is None:
            attributes = NonResourceAttributes(path=path, verb=verb)
            spec = SubjectAccessReviewSpec(
                non_resource_attributes=attributes, user=asker.name, groups=list(asker.groups)
            )
            review = await self._client.create(SubjectAccessReview(spec=spec))
            known = review.status.allowed
            self._answers.put(key, known, REMEMBERED_SECONDS)
        return known
