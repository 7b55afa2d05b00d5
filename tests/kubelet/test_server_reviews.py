"""Asking the API server who may reach the kubelet."""

from __future__ import annotations

from typing import Any

import pytest

from pybernetes.api import errors
from pybernetes.api.models.authentication_v1 import TokenReview, TokenReviewStatus, UserInfo
from pybernetes.api.models.authorization_v1 import SubjectAccessReview, SubjectAccessReviewStatus
from pybernetes.kubelet.server_access import User
from pybernetes.kubelet.server_reviews import ReviewedAccess


class Reviews:
    """Stands in for the client: knows one token, lets its user see statistics, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.broken = False

    async def create(self, review: TokenReview | SubjectAccessReview) -> TokenReview | SubjectAccessReview:
        self.asked.append(review)
        if self.broken:
            raise errors.service_unavailable("starting")
        if isinstance(review, TokenReview):
            known = review.spec.token == "good"
            user = UserInfo(username="scraper", groups=["monitoring"]) if known else UserInfo()
            return TokenReview(status=TokenReviewStatus(authenticated=known, user=user))
        attributes = review.spec.resource_attributes
        assert attributes is not None
        allowed = (attributes.resource, attributes.subresource, attributes.verb) == ("nodes", "stats", "get")
        return SubjectAccessReview(status=SubjectAccessReviewStatus(allowed=allowed))


@pytest.fixture
def reviews() -> Reviews:
    return Reviews()


@pytest.fixture
def access(reviews: Reviews) -> ReviewedAccess:
    return ReviewedAccess(reviews, "node-1")  # type: ignore[arg-type]


SCRAPER = User("scraper", ("monitoring",))


async def test_a_token_is_reviewed_once_for_a_while(access: ReviewedAccess, reviews: Reviews) -> None:
    assert await access.user_of("good") == SCRAPER
    assert await access.user_of("good") == SCRAPER
    assert len(reviews.asked) == 1
    assert await access.user_of("bad") is None


async def test_what_a_user_may_is_asked_for_the_node_and_remembered(access: ReviewedAccess, reviews: Reviews) -> None:
    assert await access.allows(SCRAPER, "get", "stats")
    assert await access.allows(SCRAPER, "get", "stats")
    assert not await access.allows(SCRAPER, "create", "proxy")
    first, second = reviews.asked
    assert (first.spec.user, first.spec.groups) == ("scraper", ["monitoring"])
    assert (second.spec.resource_attributes.name, second.spec.resource_attributes.verb) == ("node-1", "create")


async def test_the_api_server_itself_is_let_in_without_asking(access: ReviewedAccess, reviews: Reviews) -> None:
    reviews.broken = True
    assert await access.allows(User("kube-apiserver-kubelet-client", ("system:masters",)), "create", "proxy")
    assert reviews.asked == []


async def test_nobody_new_is_let_in_while_nobody_can_be_asked(access: ReviewedAccess, reviews: Reviews) -> None:
    assert await access.allows(SCRAPER, "get", "stats")
    reviews.broken = True
    assert await access.user_of("good") is None
    assert await access.allows(SCRAPER, "get", "stats"), "remembered"
    assert not await access.allows(SCRAPER, "get", "metrics")
    reviews.broken = False
    assert await access.user_of("good") == SCRAPER, "a failure is not remembered"
