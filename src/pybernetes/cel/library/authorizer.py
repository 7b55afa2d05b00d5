"""Asking the server's authorizer: `authorizer.group("").resource("pods").namespace("x").check("create").allowed()`.

Evaluation never waits: a question that has no answer yet ends it with ``Unanswered``, whoever evaluates asks the
authorizer and evaluates again with the answer in ``Authorizer.answers``.

Follows k8s.io/apiserver/pkg/cel/library/authz.go.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from pybernetes.api import fields
from pybernetes.api.access import Attributes, Decision, User
from pybernetes.cel import types
from pybernetes.cel.errors import CelError
from pybernetes.cel.functions import Library
from pybernetes.cel.values import Opaque

LIBRARY = Library()
_PACKAGE = "kubernetes.authorization"
_A, _P, _G, _R, _D = (
    f"{_PACKAGE}.{name}" for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
AUTHORIZER, RESOURCE_CHECK = types.opaque(_A), types.opaque(_R)
Answers = dict[tuple[User, Attributes], "Answer"]


class Unanswered(BaseException):
    """Not an error of the expression: `||` must not swallow it."""

    def __init__(self, user: User, asked: Attributes) -> None:
        super().__init__(user, asked)
        self.user = user
        self.asked = asked


@dataclass(frozen=True)
class Answer(Opaque):
    decision: Decision
    error: str = ""
    type = types.opaque(_D)


@dataclass(frozen=True, eq=False)
class Authorizer(Opaque):
    user: User
    answers: Answers
    type = AUTHORIZER

    def ask(self, asked: Attributes) -> Answer:
        found = self.answers.get((self.user, asked))
        if found is None:
            raise Unanswered(self.user, asked)
        return found


@dataclass(frozen=True)
class PathCheck(Opaque):
    authorizer: Authorizer
    path: str
    type = types.opaque(_P)


@dataclass(frozen=True)
class GroupCheck(Opaque):
    authorizer: Authorizer
    group: str
    type = types.opaque(_G)


@dataclass(frozen=True)
class ResourceCheck(Opaque):
    authorizer: Authorizer
    asked: Attributes
    type = RESOURCE_CHECK


LIBRARY.method("group", f"{_A}, string -> {_G}")(GroupCheck)
LIBRARY.method("subresource", f"{_R}, string -> {_R}")(
    lambda check, name: ResourceCheck(check.authorizer, replace(check.asked, subresource=name))
)
LIBRARY.method("namespace", f"{_R}, string -> {_R}")(
    lambda check, name: ResourceCheck(check.authorizer, replace(check.asked, namespace=name))
)
LIBRARY.method("name", f"{_R}, string -> {_R}")(
    lambda check, name: ResourceCheck(check.authorizer, replace(check.asked, name=name))
)
LIBRARY.method("fieldSelector", f"{_R}, string -> {_R}")(lambda check, text: check)
LIBRARY.method("labelSelector", f"{_R}, string -> {_R}")(lambda check, text: check)
LIBRARY.method("errored", f"{_D} -> bool")(lambda answer: bool(answer.error))
LIBRARY.method("error", f"{_D} -> string")(lambda answer: answer.error)
LIBRARY.method("allowed", f"{_D} -> bool")(lambda answer: answer.decision.allowed)
LIBRARY.method("reason", f"{_D} -> string")(lambda answer: answer.decision.reason)


@LIBRARY.method("path", f"{_A}, string -> {_P}")
def path(authorizer: Authorizer, text: str) -> PathCheck:
    if not text.strip():
        raise CelError("path must not be empty")
    return PathCheck(authorizer, text)


@LIBRARY.method("serviceAccount", f"{_A}, string, string -> {_A}")
def service_account(authorizer: Authorizer, namespace: str, name: str) -> Authorizer:
    if fields.is_dns_subdomain(name):
        raise CelError("Invalid service account name")
    if fields.is_dns_label(namespace):
        raise CelError("Invalid service account namespace")
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return Authorizer(User(f"system:serviceaccount:{namespace}:{name}", groups=groups), authorizer.answers)


@LIBRARY.method("resource", f"{_G}, string -> {_R}")
def resource(check: GroupCheck, name: str) -> ResourceCheck:
    if not name.strip():
        raise CelError("resource must not be empty")
    return ResourceCheck(check.authorizer, Attributes("", group=check.group, version="*", resource=name))


@LIBRARY.method("check", f"{_P}, string -> {_D}")
def check_path(check: PathCheck, verb: str) -> Answer:
    return check.authorizer.ask(Attributes(verb, path=check.path, is_resource=False))


@LIBRARY.method("check", f"{_R}, string -> {_D}")
def check_resource(check: ResourceCheck, verb: str) -> Answer:
    return check.authorizer.ask(replace(check.asked, verb=verb))
