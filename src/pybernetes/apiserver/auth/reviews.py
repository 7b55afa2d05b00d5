"""The reviews: questions about identity and access, asked as objects that are answered and never stored.

TokenReview and SelfSubjectReview (authentication.k8s.io), SubjectAccessReview, LocalSubjectAccessReview,
SelfSubjectAccessReview and SelfSubjectRulesReview (authorization.k8s.io).

Follows pkg/registry/authentication and pkg/registry/authorization.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import FieldError, at, invalid, required
from pybernetes.apiserver.auth.authenticators import RequestAuthenticator
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.auth.rules import PolicyRule
from pybernetes.apiserver.auth.service_accounts import InvalidToken, ServiceAccountTokens
from pybernetes.apiserver.decoding import parse_body
from pybernetes.apiserver.discovery.served import Kind, ServedResource, ServedVersion
from pybernetes.apiserver.http import ApiResponse, json_response
from pybernetes.apiserver.routes import Call, Routes

Document = dict[str, Any]
Answer = Callable[[Document, Call], Awaitable[Document]]

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
    def __init__(
        self,
        authenticator: RequestAuthenticator,
        authorizer: ClusterAuthorizer,
        account_tokens: ServiceAccountTokens,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._account_tokens = account_tokens
        self._answers: dict[tuple[str, str], tuple[str, Answer]] = {
            (AUTHENTICATION, "tokenreviews"): ("TokenReview", self._token),
            (AUTHENTICATION, "selfsubjectreviews"): ("SelfSubjectReview", self._self),
            (AUTHORIZATION, "subjectaccessreviews"): ("SubjectAccessReview", self._subject_access),
            (AUTHORIZATION, "localsubjectaccessreviews"): ("LocalSubjectAccessReview", self._local_access),
            (AUTHORIZATION, "selfsubjectaccessreviews"): ("SelfSubjectAccessReview", self._self_access),
            (AUTHORIZATION, "selfsubjectrulesreviews"): ("SelfSubjectRulesReview", self._self_rules),
        }

    def register(self, routes: Routes) -> None:
        routes.group(AUTHENTICATION, "v1", self.handle)
        routes.group(AUTHORIZATION, "v1", self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        info = call.info
        found = self._answers.get((info.group, info.resource))
        if found is None:
            return ApiResponse(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})
        if info.verb != "create" or info.name:
            raise errors.method_not_supported(info.group_resource, info.verb)
        kind, answer = found
        document = read_body(call, kind, info.group_version)
        document["status"] = await answer(document.get("spec") or {}, call)
        return json_response(orjson.dumps(document), 201)

    def _kind(self, call: Call) -> str:
        return self._answers[call.info.group, call.info.resource][0]

    async def _token(self, spec: Document, call: Call) -> Document:
        token, audiences = spec.get("token", ""), tuple(spec.get("audiences") or ())
        if not token:
            return {"user": {}, "error": "[invalid bearer token, token is required]"}
        try:
            if self._account_tokens.is_ours(token):
                user, accepted = await self._account_tokens.check(token, audiences)
                user = User(user.name, user.uid, (*user.groups, "system:authenticated"), user.extra)
                return {"authenticated": True, "user": user_document(user), "audiences": list(accepted)}
            known = await self._authenticator.find(token)
        except InvalidToken as error:
            return {"user": {}, "error": f"[invalid bearer token, {error}]"}
        accepted = tuple(one for one in audiences if one in self._account_tokens.audiences)
        if known is None or (audiences and not accepted):
            return {"user": {}, "error": "invalid bearer token"}
        answer: Document = {"authenticated": True, "user": user_document(known)}
        return answer | {"audiences": list(accepted or self._account_tokens.audiences)}

    async def _self(self, spec: Document, call: Call) -> Document:
        return {"userInfo": user_document(call.user)}

    async def _subject_access(self, spec: Document, call: Call) -> Document:
        user = User(
            spec.get("user", ""),
            spec.get("uid", ""),
            tuple(spec.get("groups") or ()),
            {key.lower(): tuple(values) for key, values in (spec.get("extra") or {}).items()},
        )
        if not user.name and not user.groups:
            problem = required(at.spec.user, "at least one of user or group must be specified")
            raise errors.invalid(AUTHORIZATION, self._kind(call), "", [problem])
        return self._access(user, spec, call)

    async def _local_access(self, spec: Document, call: Call) -> Document:
        asked = spec.get("resourceAttributes") or {}
        if asked.get("namespace", "") != call.info.namespace:
            path = at.spec.resourceAttributes.namespace
            problem = invalid(path, asked.get("namespace", ""), "must match metadata.namespace")
            raise errors.invalid(AUTHORIZATION, "LocalSubjectAccessReview", "", [problem])
        return await self._subject_access(spec, call)

    async def _self_access(self, spec: Document, call: Call) -> Document:
        return self._access(call.user, spec, call)

    async def _self_rules(self, spec: Document, call: Call) -> Document:
        namespace = spec.get("namespace", "")
        if not namespace:
            raise errors.bad_request("no namespace on request")
        rules = self._authorizer.rules_held(call.user, namespace)
        return {
            "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
            "nonResourceRules": [_url_rule(rule) for rule in rules if rule.urls],
            "incomplete": False,
        }

    def _access(self, user: User, spec: Document, call: Call) -> Document:
        problem = _attributes_problem(spec)
        if problem is not None:
            raise errors.invalid(AUTHORIZATION, self._kind(call), "", [problem])
        decision = self._authorizer.decide(user, asked_attributes(spec))
        status: Document = {"allowed": decision.allowed}
        if decision.reason:
            status["reason"] = decision.reason
        return status


def _attributes_problem(spec: Mapping[str, Any]) -> FieldError | None:
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is not None and path is not None:
        why = "cannot be specified in combination with resourceAttributes"
        return invalid(at.spec.nonResourceAttributes, path, why)
    if resource is None and path is None:
        return invalid(
            at.spec.resourceAttributes,
            None,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )
    return None


def asked_attributes(spec: Mapping[str, Any]) -> Attributes:
    """What a review's spec asks about."""
    resource, path = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    if resource is None:
        return Attributes((path or {}).get("verb", ""), (path or {}).get("path", ""), is_resource=False)
    return Attributes(
        verb=resource.get("verb", ""),
        group=resource.get("group", ""),
        version=resource.get("version", ""),
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


def read_body(call: Call, kind: str, api_version: str) -> Document:
    """The object in the request's body, its kind checked and filled in, its metadata made present."""
    document = parse_body(call.request)
    if not isinstance(document, dict):
        raise errors.bad_request("the object provided is not a JSON object")
    for name, expected in (("apiVersion", api_version), ("kind", kind)):
        if document.setdefault(name, expected) != expected:
            raise errors.bad_request(
                f"{name} of the provided object ({document[name]}) does not match the expected one ({expected})"
            )
    ordered = {"kind": kind, "apiVersion": api_version, "metadata": document.pop("metadata", None) or {}}
    return ordered | document


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
