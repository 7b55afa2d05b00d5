"""`serviceaccounts/NAME/token`: hands out service-account tokens.

Guarantees  The token is bound to what the request names (a pod, secret or node of the uid it has now); a pod must run
under the account. Follows pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import at, invalid
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.apiserver.admission.contract import Attributes, Kind, Operation
from pybernetes.apiserver.answers import document_answer
from pybernetes.apiserver.auth.authorizers import node_of
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.review_objects import read_object
from pybernetes.apiserver.auth.service_accounts import LONGEST, BoundTo, ServiceAccountTokens
from pybernetes.apiserver.contexts import context_of
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.store.contract import Store

Document = dict[str, Any]

INFO = KindInfo("authentication.k8s.io", "v1", "TokenRequest", "serviceaccounts", namespaced=True)
_ADMITTED = Kind(INFO.group, INFO.version, INFO.kind)
DEFAULT_SECONDS = 3600
SHORTEST = 600
_PLACES = {"Pod": ("pods", "pods"), "Secret": ("secrets", "secrets"), "Node": ("nodes", "minions")}


def default_duration(document: Document) -> None:
    document.setdefault("spec", {}).setdefault("expirationSeconds", DEFAULT_SECONDS)


ISSUED = "authentication.kubernetes.io/issued-credential-id"


class TokenRequests:
    def __init__(
        self, store: Store, tokens: ServiceAccountTokens, clock: Clock, accounts: Registry | None = None
    ) -> None:
        """``accounts`` is the storage of service accounts, whose admission is asked; with None nobody is."""
        self._accounts = accounts
        self._store = store
        self._tokens = tokens
        self._clock = clock

    def register(self, routes: Routes) -> None:
        routes.subresource("", "serviceaccounts", "token", self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        info = call.info
        if info.verb != "create":
            raise errors.method_not_allowed()
        document = read_object(call, INFO, self._clock, subresource="token", namespaced=True, default=default_duration)
        spec, metadata = document["spec"], document["metadata"]
        if metadata.get("name", info.name) != info.name:
            problem = invalid(at.metadata.name, metadata["name"], "must match the service account name if specified")
            raise errors.invalid(INFO.group, INFO.kind, info.name, [problem])
        attributes = self._attributes(call, document)
        if self._accounts is not None and attributes is not None:
            await self._accounts.admission.mutate(attributes)
        key = f"/registry/serviceaccounts/{info.namespace}/{info.name}"
        account = await self._read("serviceaccounts", key, info.name)
        uid = account["metadata"].get("uid", "")
        _check_uid(metadata.get("uid"), uid, info.name)
        _check_duration(spec["expirationSeconds"])
        if self._accounts is not None and attributes is not None:
            await self._accounts.admission.validate(attributes)
        bound = await self._bound(spec.get("boundObjectRef"), info.namespace, info.name)
        _check_node(call.user, bound)
        issued = self._tokens.issue(
            info.namespace,
            info.name,
            uid,
            audiences=spec.get("audiences") or (),
            seconds=spec["expirationSeconds"],
            bound=bound,
        )
        if call.request.audited is not None:
            call.request.audited.annotate(ISSUED, f"JTI={issued.identity}")
        spec["audiences"] = list(spec.get("audiences") or self._tokens.audiences)
        spec.setdefault("boundObjectRef", None)
        metadata |= {
            "name": info.name,
            "namespace": info.namespace,
            "uid": uid,
            "creationTimestamp": format_time(self._clock.now()),
        }
        document["status"] = {"token": issued.token, "expirationTimestamp": format_time(issued.expires)}
        return document_answer(call.request, document, 201)

    def _attributes(self, call: Call, document: Document) -> Attributes | None:
        if self._accounts is None:
            return None
        context, info = context_of(call, self._clock), call.info
        resource = self._accounts.resource
        return Attributes(
            Operation.CREATE, resource, info.namespace, info.name, context, document, None, "token", _ADMITTED
        )

    async def _bound(self, reference: Document | None, namespace: str, account: str) -> list[BoundTo]:
        if reference is None:
            return []
        kind, name, api_version = (reference.get(field, "") for field in ("kind", "name", "apiVersion"))
        group, _, version = api_version.rpartition("/")
        if kind not in _PLACES or group:
            raise errors.bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
        plural, place = _PLACES[kind]
        key = f"/registry/{place}/{name}" if kind == "Node" else f"/registry/{place}/{namespace}/{name}"
        document = await self._read(plural, key, name)
        of_pod = await self._of_pod(document, account) if kind == "Pod" else []
        uid = document["metadata"].get("uid", "")
        if reference.get("uid") and reference["uid"] != uid:
            raise errors.conflict(
                kind,
                name,
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
                f"The object might have been deleted and then recreated",
            )
        return [BoundTo(kind, name, uid), *of_pod]

    async def _of_pod(self, pod: Document, account: str) -> list[BoundTo]:
        spec = pod.get("spec") or {}
        used = spec.get("serviceAccountName") or "default"
        if used != account:
            raise errors.bad_request(
                f'cannot bind token for serviceaccount "{account}" to pod running with different serviceaccount name.'
            )
        node = spec.get("nodeName", "")
        entry = await self._store.get(f"/registry/minions/{node}") if node else None
        if entry is None:
            return []
        return [BoundTo("Node", node, orjson.loads(entry.value)["metadata"].get("uid", ""))]

    async def _read(self, plural: str, key: str, name: str) -> Document:
        entry = await self._store.get(key)
        if entry is None:
            raise errors.not_found(plural, name)
        document: Document = orjson.loads(entry.value)
        return document


def _check_node(user: User, bound: list[BoundTo]) -> None:
    """A kubelet gets tokens for its own pods only."""
    node = node_of(user)
    if not node:
        return
    if not any(one.kind == "Pod" for one in bound):
        raise errors.forbidden("serviceaccounts", "", "node requested token not bound to a pod")
    if not any((one.kind, one.name) == ("Node", node) for one in bound):
        why = "node requested token bound to a pod scheduled on a different node"
        raise errors.forbidden("serviceaccounts", "", why)


def _check_uid(stated: str | None, uid: str, name: str) -> None:
    if stated and stated != uid:
        why = f"the UID in the token request ({stated}) does not match the UID of the service account ({uid})"
        raise errors.conflict(f"{INFO.kind}.{INFO.group}", name, why)


def _check_duration(seconds: int) -> None:
    problem = ""
    if seconds < SHORTEST:
        problem = "may not specify a duration less than 10 minutes"
    elif seconds > LONGEST:
        problem = "may not specify a duration larger than 2^32 seconds"
    if problem:
        found = invalid(at.spec.expirationSeconds, seconds, problem)
        raise errors.invalid(INFO.group, INFO.kind, "", [found])
