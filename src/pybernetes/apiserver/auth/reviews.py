"""The reviews: questions about identity and access, asked as objects that are answered and never stored.

TokenReview and SelfSubjectReview (authentication.k8s.io), SubjectAccessReview, LocalSubjectAccessReview,
SelfSubjectAccessReview and SelfSubjectRulesReview (authorization.k8s.io).

Follows pkg/registry/authentication and pkg/registry/authorization.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import FieldError
from pybernetes.api.kinds import by_resource
from pybernetes.api.meta import format_time
from pybernetes.apiserver.answers import media_answer
from pybernetes.apiserver.auth.authenticators import RequestAuthenticator
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer, node_of
from pybernetes.apiserver.auth.contract import AUTHENTICATED_GROUP, Attributes, Authorizer, User
from pybernetes.apiserver.auth.review_objects import access_problems, evaluation_error, read_object
from pybernetes.apiserver.auth.rules import PolicyRule
from pybernetes.apiserver.auth.service_accounts import InvalidToken, ServiceAccountTokens
from pybernetes.apiserver.discovery.served import Kind, ServedResource, ServedVersion
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.negotiation import Offer, media_of, require_acceptable
from pybernetes.apiserver.routes import Call, Routes

Document = dict[str, Any]
Answer = Callable[[Document, Call], Awaitable[Document]]
"""Given the object as it was sent, the object that is answered."""

AUTHENTICATION = "authentication.k8s.io"
AUTHORIZATION = "authorization.k8s.io"


def _virtual(group: str, plural: str, kind: str, *, namespaced: bool = False) -> ServedResource:
    return ServedResource(plural, kind.lower(), namespaced, Kind(group, "v1", kind), ("create",))


SERVED = (
    ServedVersion(
        AUTHENTICATION,
        "v1",
        (
            _virtual(AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview"),
            _virtual(AUTHENTICATION, "tokenreviews", "TokenReview"),
        ),
    ),
    ServedVersion(
        AUTHORIZATION,
        "v1",
        (
            _virtual(AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", namespaced=True),
            _virtual(AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
            _virtual(AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
            _virtual(AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview"),
        ),
    ),
)


class Reviews:
    """``cluster`` knows the rules that a user holds."""

    def __init__(
        self,
        authenticator: RequestAuthenticator,
        authorizer: Authorizer,
        cluster: ClusterAuthorizer,
        account_tokens: ServiceAccountTokens,
        clock: Clock,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._cluster = cluster
        self._account_tokens = account_tokens
        self._clock = clock
        self._answers: dict[tuple[str, str], Answer] = {
            (AUTHENTICATION, "tokenreviews"): self._token,
            (AUTHENTICATION, "selfsubjectreviews"): self._self,
            (AUTHORIZATION, "subjectaccessreviews"): self._subject_access,
            (AUTHORIZATION, "localsubjectaccessreviews"): self._local_access,
            (AUTHORIZATION, "selfsubjectaccessreviews"): self._self_access,
            (AUTHORIZATION, "selfsubjectrulesreviews"): self._self_rules,
        }

    def register(self, routes: Routes) -> None:
        routes.group(AUTHENTICATION, "v1", self.handle)
        routes.group(AUTHORIZATION, "v1", self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        info = call.info
        answer = self._answers.get((info.group, info.resource))
        if answer is None:
            raise errors.path_not_found()
        if info.name:
            raise errors.path_not_found()
        if info.verb != "create":
            raise errors.method_not_allowed()
        require_acceptable(call.request, info.verb)
        media = media_of(call.request, Offer.DOCUMENT)
        kind = by_resource(info.group, info.version, info.resource)
        document = read_object(call, kind, self._clock, namespaced=kind.namespaced)
        return media_answer(call.request, await answer(document, call), media, 201)

    async def _token(self, document: Document, call: Call) -> Document:
        spec = document.get("spec") or {}
        if not spec.get("token"):
            raise errors.bad_request("token is required for TokenReview in authentication")
        return {**document, "status": await self._token_status(spec["token"], tuple(spec.get("audiences") or ()))}

    async def _token_status(self, token: str, audiences: tuple[str, ...]) -> Document:
        try:
            if self._account_tokens.is_ours(token):
                user, accepted = await self._account_tokens.check(token, audiences)
                user = User(user.name, user.uid, (*user.groups, AUTHENTICATED_GROUP), user.extra)
                return {"authenticated": True, "user": user_document(user), "audiences": list(accepted)}
            known = await self._authenticator.find(token)
        except InvalidToken as error:
            return {"user": {}, "error": f"[invalid bearer token, {error}]"}
        accepted = tuple(one for one in audiences if one in self._account_tokens.audiences)
        if known is None or (audiences and not accepted):
            return {"user": {}, "error": "invalid bearer token"}
        answer: Document = {"authenticated": True, "user": user_document(known)}
        return answer | {"audiences": list(accepted or self._account_tokens.audiences)}

    async def _self(self, document: Document, call: Call) -> Document:
        return {
            "kind": document["kind"],
            "apiVersion": document["apiVersion"],
            "metadata": {"creationTimestamp": format_time(self._clock.now())},
            "status": {"userInfo": user_document(call.user)},
        }

    async def _subject_access(self, document: Document, call: Call) -> Document:
        self._reject(access_problems(document, about_self=False, local=False))
        return await self._access(_user_of(document["spec"]), document)

    async def _local_access(self, document: Document, call: Call) -> Document:
        self._reject(access_problems(document, about_self=False, local=True))
        return await self._access(_user_of(document["spec"]), document)

    async def _self_access(self, document: Document, call: Call) -> Document:
        self._reject(access_problems(document, about_self=True, local=False))
        return await self._access(call.user, document)

    def _reject(self, problems: Iterable[FieldError]) -> None:
        """Upstream's refusal does not name the kind."""
        if found := list(problems):
            raise errors.invalid(AUTHORIZATION, "", "", found)

    async def _self_rules(self, document: Document, call: Call) -> Document:
        namespace = (document.get("spec") or {}).get("namespace", "")
        if not namespace:
            raise errors.bad_request("no namespace on request")
        rules = self._cluster.rules_held(call.user, namespace)
        status: Document = {
            "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
            "nonResourceRules": [_url_rule(rule) for rule in rules if rule.urls],
            "incomplete": bool(node_of(call.user)),
        }
        if status["incomplete"]:
            status["evaluationError"] = "node authorizer does not support user rule resolution"
        identity = {"kind": document["kind"], "apiVersion": document["apiVersion"]}
        return {**identity, "metadata": {}, "spec": {}, "status": status}

    async def _access(self, user: User, document: Document) -> Document:
        spec = document["spec"]
        decision = await self._authorizer.authorize(user, asked_attributes(spec))
        status: Document = {"allowed": decision.allowed}
        if decision.denied:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        if problem := decision.error or evaluation_error(spec):
            status["evaluationError"] = problem
        return {**document, "status": status}


def _user_of(spec: Document) -> User:
    extra = {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()}
    return User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)


def asked_attributes(spec: Mapping[str, Any]) -> Attributes:
    """What a review's spec asks about."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None:
        return Attributes((path or {}).get("verb", ""), (path or {}).get("path", ""), is_resource=False)
    return Attributes(
        verb=resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version") or "*",
        resource=resource.get("resource", ""),
        subresource=resource.get("subresource", ""),
        namespace=resource.get("namespace", ""),
        name=resource.get("name", ""),
    )


def user_document(user: User) -> Document:
    """`UserInfo` of authentication.k8s.io."""
    document: Document = {"username": user.name}
    if user.uid:
        document["uid"] = user.uid
    if user.groups:
        document["groups"] = list(user.groups)
    if user.extra:
        document["extra"] = {key: list(values) for key, values in user.extra.items()}
    return document


def _resource_rule(rule: PolicyRule) -> Document:
    document: Document = {
        "verbs": sorted(rule.verbs),
        "apiGroups": sorted(rule.groups),
        "resources": sorted(rule.resources),
    }
    if rule.names:
        document["resourceNames"] = sorted(rule.names)
    return document


def _url_rule(rule: PolicyRule) -> Document:
    return {"verbs": sorted(rule.verbs), "nonResourceURLs": sorted(rule.urls)}
