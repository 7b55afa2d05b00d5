"""What expressions about a request see: `request`, `object`, `oldObject`, `namespaceObject`, `authorizer`.

Follows CreateAdmissionRequest and newActivation in k8s.io/apiserver/pkg/admission/plugin/cel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pybernetes.api.errors import ApiError
from pybernetes.apiserver.admission.contract import Attributes
from pybernetes.apiserver.auth import contract as auth
from pybernetes.apiserver.resource import Document
from pybernetes.cel.library.authorizer import Answer, Answers, Authorizer, ResourceCheck, Unanswered

_HIDDEN_OF_NAMESPACE = frozenset({"managedFields", "ownerReferences", "selfLink"})
T = TypeVar("T")


def request_of(attributes: Attributes) -> Document:
    """The AdmissionRequest as a document, without the objects."""
    info, kind, user = attributes.resource.info, attributes.kind, attributes.user
    of_kind = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    resource = {"group": info.group, "version": info.version, "resource": info.plural}
    subresource = {"subResource": attributes.subresource} if attributes.subresource else {}
    same = {"requestSubResource": attributes.subresource} if attributes.subresource else {}
    return {
        "uid": "",
        "kind": of_kind,
        "resource": resource,
        **subresource,
        "requestKind": of_kind,
        "requestResource": resource,
        **same,
        **{key: value for key, value in (("name", attributes.name), ("namespace", attributes.namespace)) if value},
        "operation": str(attributes.operation),
        "userInfo": _user(user),
        "object": None,
        "oldObject": None,
        "dryRun": attributes.dry_run,
        "options": attributes.options,
    }


def _user(user: auth.User) -> Document:
    known = {
        "username": user.name,
        "uid": user.uid,
        "groups": list(user.groups),
        "extra": {key: list(values) for key, values in user.extra.items()},
    }
    return {key: value for key, value in known.items() if value}


def namespace_of(namespace: Document | None) -> Document | None:
    if namespace is None:
        return None
    metadata = {key: value for key, value in namespace["metadata"].items() if key not in _HIDDEN_OF_NAMESPACE}
    return {"metadata": metadata, "spec": namespace.get("spec") or {}, "status": namespace.get("status") or {}}


class RequestValues:
    """The variables of one request. They stay the same while an object is mutated only if they are built anew."""

    def __init__(self, attributes: Attributes, authorizer: auth.Authorizer | None) -> None:
        self._attributes = attributes
        self._authorizer = authorizer
        self._answers: Answers = {}

    def variables(self) -> dict[str, Any]:
        attributes = self._attributes
        asking = Authorizer(attributes.user, self._answers)
        info = attributes.resource.info
        about = auth.Attributes(
            "",
            group=info.group,
            version="*",
            resource=info.plural,
            subresource=attributes.subresource,
            namespace=attributes.namespace,
            name=attributes.name,
        )
        return {
            "object": attributes.document,
            "oldObject": attributes.old,
            "request": request_of(attributes),
            "authorizer": asking,
            "authorizer.requestResource": ResourceCheck(asking, about),
        }

    async def settled(self, evaluate: Callable[[], T]) -> T:
        """``evaluate()``, asked again whenever it has met a question for the authorizer that was open."""
        while True:
            try:
                return evaluate()
            except Unanswered as open_question:
                question = (open_question.user, open_question.asked)
                self._answers[question] = await self._answer(*question)

    async def _answer(self, user: auth.User, asked: auth.Attributes) -> Answer:
        if self._authorizer is None:
            return Answer(auth.Decision(allowed=False), "no authorizer")
        try:
            return Answer(await self._authorizer.authorize(user, asked))
        except ApiError as error:
            return Answer(auth.Decision(allowed=False), error.message)
