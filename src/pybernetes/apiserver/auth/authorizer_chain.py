"""Several authorizers, asked one after the other until one decides.

Semantics
  `system:masters` may do everything, whoever else is asked. The first that allows or denies decides; who has no opinion
  leaves it to the next. What nobody allows is refused, with the reasons of all; if one of them could not say, that is
  told instead.

Follows k8s.io/apiserver/pkg/authorization/union and pkg/kubeapiserver/authorizer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pybernetes.api.clock import Clock
from pybernetes.api.durations import parse_duration
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth import abac
from pybernetes.apiserver.auth import authorization_configuration as config
from pybernetes.apiserver.auth.authorization_webhook import AuthorizationWebhook, Manner, Opinion
from pybernetes.apiserver.auth.authorizers import CATCH_UP_SECONDS, ClusterAuthorizer
from pybernetes.apiserver.auth.contract import MASTERS_GROUP, Attributes, Authorizer, Decision, User
from pybernetes.apiserver.auth.figures import ChainFigures, WebhookFigures
from pybernetes.apiserver.auth.match_conditions import MatchConditions
from pybernetes.apiserver.auth.review_webhook import ReviewWebhook
from pybernetes.apiserver.webhook_file import read_target

_MASTER = Decision(True, "")
_DENIED = Opinion(reason="Everything is forbidden.")
_ALLOWED = Opinion(allowed=True)


class Member(Protocol):
    async def opinion(self, user: User, asked: Attributes) -> Opinion: ...


@dataclass(frozen=True, slots=True)
class Named:
    type: str
    name: str
    member: Member


class AuthorizerChain:
    """Implements `Authorizer`."""

    def __init__(self, members: Sequence[Named], figures: ChainFigures) -> None:
        self._members = tuple(members)
        self._figures = figures

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        if MASTERS_GROUP in user.groups:
            return _MASTER
        reasons: list[str] = []
        problems: list[str] = []
        for one in self._members:
            opinion = await one.member.opinion(user, attributes)
            if opinion.reason:
                reasons.append(opinion.reason)
            if opinion.error:
                problems.append(opinion.error)
            if opinion.denied:
                self._figures.decisions.add(one.type, one.name, "denied")
                return Decision(False, opinion.reason, denied=True, error=opinion.error)
            if opinion.allowed:
                self._figures.decisions.add(one.type, one.name, "allowed")
                return Decision(True, opinion.reason)
        return Decision(False, "\n".join(reasons), error="\n".join(problems))


class Always:
    def __init__(self, opinion: Opinion) -> None:
        self._opinion = opinion

    async def opinion(self, user: User, asked: Attributes) -> Opinion:
        return self._opinion


class ByPolicies:
    def __init__(self, policies: Sequence[abac.Policy]) -> None:
        self._policies = policies

    async def opinion(self, user: User, asked: Attributes) -> Opinion:
        return _ALLOWED if abac.allowed(self._policies, user, asked) else Opinion(reason=abac.NO_POLICY)


class ByRoles:
    def __init__(self, cluster: ClusterAuthorizer) -> None:
        self._cluster = cluster

    async def opinion(self, user: User, asked: Attributes) -> Opinion:
        decision = self._cluster.rbac.decide(user, asked)
        return Opinion(decision.allowed, reason=decision.reason)


class ByNode:
    def __init__(self, cluster: ClusterAuthorizer) -> None:
        self._cluster = cluster

    async def opinion(self, user: User, asked: Attributes) -> Opinion:
        decision = self._cluster.decide_of_node(user, asked)
        if not decision.allowed and self._cluster.may_hear_late(user, asked):
            await asyncio.sleep(CATCH_UP_SECONDS)
            decision = self._cluster.decide_of_node(user, asked)
        return Opinion(decision.allowed, reason=decision.reason)


class Builder:
    """Makes chains as the operator wants them. What a server needs besides the file is there from its start on."""

    def __init__(self, cluster: ClusterAuthorizer, clock: Clock, policy_file: str = "") -> None:
        """Raises ConfigurationError."""
        self._cluster = cluster
        self._clock = clock
        self._policies = abac.read_policies(policy_file) if policy_file else None
        self.figures = ChainFigures()

    def build(self, wanted: config.AuthorizationConfiguration) -> tuple[Authorizer, Sequence[ReviewWebhook]]:
        """The authorizer, and the webhooks to be closed when it is not asked any more. Raises ConfigurationError."""
        if [one.type for one in wanted.authorizers] == [config.NODE, config.RBAC]:
            return self._cluster, ()
        asked: list[ReviewWebhook] = []
        members = [Named(one.type, one.name, self._member(one, asked)) for one in wanted.authorizers]
        return AuthorizerChain(members, self.figures), asked

    def _member(self, one: config.AuthorizerConfiguration, asked: list[ReviewWebhook]) -> Member:
        if one.type == config.WEBHOOK and one.webhook is not None:
            return self._webhook(one.name, one.webhook, asked)
        if one.type == config.ABAC:
            if self._policies is None:
                raise ConfigurationError(
                    "authorizer type ABAC is not allowed if it was not enabled at initial server startup"
                )
            return ByPolicies(self._policies)
        make: dict[str, Callable[[], Member]] = {
            config.NODE: lambda: ByNode(self._cluster),
            config.RBAC: lambda: ByRoles(self._cluster),
            config.ALWAYS_ALLOW: lambda: Always(_ALLOWED),
            config.ALWAYS_DENY: lambda: Always(_DENIED),
        }
        return make[one.type]()

    def _webhook(self, name: str, one: config.WebhookConfiguration, asked: list[ReviewWebhook]) -> Member:
        file = one.connection_info.kube_config_file
        if not file:
            raise ConfigurationError("connectionInfo.type InClusterConfig is not built: name a kubeConfigFile")
        webhook = ReviewWebhook(read_target(file), seconds=parse_duration(one.timeout))
        asked.append(webhook)
        expressions = [condition.expression for condition in one.match_conditions]
        manner = Manner(
            one.subject_access_review_version,
            parse_duration(one.authorized_ttl) if one.cache_authorized_requests else 0.0,
            parse_duration(one.unauthorized_ttl) if one.cache_unauthorized_requests else 0.0,
            one.failure_policy == config.DENY,
            MatchConditions(expressions) if expressions else None,
        )
        figures = self.figures.webhooks.setdefault(name, WebhookFigures())
        return AuthorizationWebhook(webhook, self._clock, manner, figures)
