"""Who may do what, asked of a webhook of the operator's by SubjectAccessReview.

Guarantees  What was allowed is allowed for five minutes more, what was not is not for half a minute, unasked. A webhook
            that does not answer has no opinion.

Follows k8s.io/apiserver/plugin/pkg/authorizer/webhook.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.api.clock import Clock
from pybernetes.api.selectors import FieldSelector, Operator, SelectorError
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Authorizer, Decision, User
from pybernetes.apiserver.auth.review_webhook import ReviewFailed, ReviewWebhook

log = logging.getLogger(__name__)

DEFAULT_VERSION = "v1beta1"
REMEMBERED = 8192
ALLOWED_SECONDS = 300.0
REFUSED_SECONDS = 30.0
LONGEST_CACHED = 10_000
"""Letters of what names a request; longer ones are asked for anew each time."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Neither allowed nor denied: none."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""


class AuthorizationWebhook:
    def __init__(self, webhook: ReviewWebhook, clock: Clock, version: str = DEFAULT_VERSION) -> None:
        self._webhook = webhook
        self._clock = clock
        self._version = version
        self._known: dict[tuple[User, tuple[tuple[str, tuple[str, ...]], ...], Attributes], tuple[Opinion, float]] = {}

    async def opinion(self, user: User, asked: Attributes) -> Opinion:
        key = (user, tuple(sorted(user.extra.items())), asked)
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        try:
            status = await self._webhook.ask(self._review(user, asked))
        except ReviewFailed as error:
            log.error("the authorization webhook does not answer", extra={"error": str(error)})
            return Opinion()
        found = Opinion(bool(status.get("allowed")), bool(status.get("denied")), status.get("reason") or "")
        if len(asked.path) + len(asked.name) + len(asked.namespace) < LONGEST_CACHED:
            self._remember(key, found)
        return found

    def _remember(self, key: Any, found: Opinion) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        seconds = ALLOWED_SECONDS if found.allowed else REFUSED_SECONDS
        self._known[key] = (found, self._clock.monotonic() + seconds)

    def _review(self, user: User, asked: Attributes) -> Mapping[str, Any]:
        groups = "group" if self._version == "v1beta1" else "groups"
        spec: dict[str, Any] = {
            "user": user.name,
            groups: list(user.groups),
            "uid": user.uid,
            "extra": {key: list(values) for key, values in user.extra.items()},
        }
        if asked.is_resource:
            place: dict[str, Any] = {
                "namespace": asked.namespace,
                "verb": asked.verb,
                "group": asked.group,
                "version": asked.version,
                "resource": asked.resource,
                "subresource": asked.subresource,
                "name": asked.name,
            }
            place["fieldSelector"] = _requirements(asked.field_selector)
            spec["resourceAttributes"] = {name: value for name, value in place.items() if value}
        else:
            spec["nonResourceAttributes"] = {"path": asked.path, "verb": asked.verb}
        spec = {name: value for name, value in spec.items() if value}
        return {"kind": "SubjectAccessReview", "apiVersion": f"authorization.k8s.io/{self._version}", "spec": spec}


def _requirements(text: str) -> Mapping[str, Any]:
    """Empty for a selector that cannot be read: the request is refused for that later."""
    try:
        requirements = FieldSelector.parse(text).requirements if text else ()
    except SelectorError:
        return {}
    told = [
        {
            "key": one.field,
            "operator": "NotIn" if one.operator is Operator.NOT_EQUALS else "In",
            "values": [one.value],
        }
        for one in requirements
    ]
    return {"requirements": told} if told else {}


@dataclass(frozen=True, slots=True)
class WithWebhook:
    """Implements `Authorizer`: the cluster's own answer, and where that is not yes, the webhook's."""

    own: Authorizer
    webhook: AuthorizationWebhook

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        decision = await self.own.authorize(user, attributes)
        if decision.allowed or MASTERS_GROUP in user.groups:
            return decision
        opinion = await self.webhook.opinion(user, attributes)
        allowed = opinion.allowed and not opinion.denied
        reasons: Sequence[str] = (opinion.reason,) if allowed else (decision.reason, opinion.reason)
        return Decision(allowed, "\n".join(reason for reason in reasons if reason), opinion.denied)
