"""Who may do what, asked of a webhook of the operator's by SubjectAccessReview.

Guarantees  What was allowed is allowed for five minutes more, what was not is not for half a minute, unasked; or for
            as long as the operator says. A webhook that does not answer has no opinion, or denies if he says so.

Follows k8s.io/apiserver/plugin/pkg/authorizer/webhook.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pybernetes.api.clock import Clock
from pybernetes.api.selectors import FieldSelector, Operator, SelectorError
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.auth.figures import WebhookFigures
from pybernetes.apiserver.auth.match_conditions import MatchConditions, Unevaluated
from pybernetes.apiserver.auth.review_webhook import ReviewFailed, ReviewWebhook

log = logging.getLogger(__name__)

DEFAULT_VERSION = "v1beta1"
REMEMBERED = 8192
ALLOWED_SECONDS = 300.0
REFUSED_SECONDS = 30.0
BOTH = "webhook subject access review returned both allow and deny response"
LONGEST_CACHED = 10_000
"""Letters of what names a request; longer ones are asked for anew each time."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """Neither allowed nor denied: none. ``error`` says why there is none that counts."""

    allowed: bool = False
    denied: bool = False
    reason: str = ""
    error: str = ""


NO_OPINION = Opinion()


@dataclass(frozen=True, slots=True)
class Manner:
    """How a webhook is asked. Answers that are kept for no time are not kept."""

    version: str = DEFAULT_VERSION
    allowed_seconds: float = ALLOWED_SECONDS
    refused_seconds: float = REFUSED_SECONDS
    denies_on_failure: bool = False
    conditions: MatchConditions | None = None


class AuthorizationWebhook:
    def __init__(
        self,
        webhook: ReviewWebhook,
        clock: Clock,
        manner: Manner = Manner(),
        figures: WebhookFigures | None = None,
    ) -> None:
        self._webhook = webhook
        self._clock = clock
        self._manner = manner
        self._version = manner.version
        self._figures = figures or WebhookFigures()
        self._known: dict[tuple[User, tuple[tuple[str, tuple[str, ...]], ...], Attributes], tuple[Opinion, float]] = {}

    async def opinion(self, user: User, asked: Attributes) -> Opinion:
        try:
            if not self._concerns(user, asked):
                return NO_OPINION
        except Unevaluated as error:
            return self._failed(str(error))
        key = (user, tuple(sorted(user.extra.items())), asked)
        known = self._known.get(key)
        if known is not None and self._clock.monotonic() < known[1]:
            return known[0]
        began = perf_counter()
        try:
            status = await self._webhook.ask(self._review(user, asked))
        except ReviewFailed as error:
            log.error("the authorization webhook does not answer", extra={"error": str(error)})
            self._figures.asked("error", perf_counter() - began, open=not self._manner.denies_on_failure)
            return self._failed(str(error))
        self._figures.asked("success", perf_counter() - began)
        found = Opinion(bool(status.get("allowed")), bool(status.get("denied")), status.get("reason") or "")
        if found.allowed and found.denied:
            return Opinion(denied=True, reason=found.reason, error=BOTH)
        if len(asked.path) + len(asked.name) + len(asked.namespace) < LONGEST_CACHED:
            self._remember(key, found)
        return found

    def _concerns(self, user: User, asked: Attributes) -> bool:
        """Raises Unevaluated."""
        conditions = self._manner.conditions
        if conditions is None:
            return True
        began = perf_counter()
        try:
            matches = conditions.match(_complete(self._spec(user, asked)))
        except Unevaluated:
            self._figures.unevaluated += 1
            raise
        finally:
            self._figures.evaluations.observe(perf_counter() - began)
        self._figures.excluded += not matches
        return matches

    def _failed(self, why: str) -> Opinion:
        return Opinion(denied=self._manner.denies_on_failure, error=why)

    def _remember(self, key: Any, found: Opinion) -> None:
        seconds = self._manner.allowed_seconds if found.allowed else self._manner.refused_seconds
        if not seconds:
            return
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = (found, self._clock.monotonic() + seconds)

    def _review(self, user: User, asked: Attributes) -> Mapping[str, Any]:
        spec = {name: value for name, value in self._spec(user, asked).items() if value}
        return {"kind": "SubjectAccessReview", "apiVersion": f"authorization.k8s.io/{self._version}", "spec": spec}

    def _spec(self, user: User, asked: Attributes) -> dict[str, Any]:
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
        return spec


def _complete(spec: dict[str, Any]) -> dict[str, Any]:
    """As conditions see it: in version 1, texts that are empty written out."""
    made = dict(spec)
    made["groups"] = made.pop("group", made.get("groups", []))
    place = made.get("resourceAttributes")
    if place is not None:
        made["resourceAttributes"] = {**_NO_PLACE, **place}
    return made


_NO_PLACE = dict.fromkeys(("namespace", "verb", "group", "version", "resource", "subresource", "name"), "")


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
