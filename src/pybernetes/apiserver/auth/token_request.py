"""`serviceaccounts/NAME/token`: hands out service-account tokens.

Guarantees  The token is bound to what the request names (a pod, secret or node of the uid it has now); a pod must run
under the account. Follows pkg/registry/core/serviceaccount/storage/token.go.
"""

from __future__ import annotations

from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import at, invalid
from pybernetes.apiserver.auth.authorizers import node_of
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.reviews import read_body
from pybernetes.apiserver.auth.service_accounts import LONGEST, BoundTo, ServiceAccountTokens
from pybernetes.apiserver.http import ApiResponse, json_response
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.store.contract import Store

Document = dict[str, Any]

SHORTEST = 600
_PLACES = {"Pod": ("pods", "pods"), "Secret": ("secrets", "secrets"), "Node": ("nodes", "minions")}


class TokenRequests:
    def __init__(self, store: Store, tokens: ServiceAccountTokens) -> None:
        self._store = store
        self._tokens = tokens

    def register(self, routes: Routes) -> None:
        routes.subresource("", "serviceaccounts", "token", self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        info = call.info
        if info.verb != "create":
            raise errors.method_not_supported("serviceaccounts", info.verb)
        document = read_body(call, "TokenRequest", "authentication.k8s.io/v1")
        spec = document.setdefault("spec", {})
        key = f"/registry/serviceaccounts/{info.namespace}/{info.name}"
        account = await self._read("serviceaccounts", key, info.name)
        seconds = spec.get("expirationSeconds") or 3600
        _check_duration(seconds)
        bound = await self._bound(spec.get("boundObjectRef"), info.namespace, info.name)
        _check_node(call.user, bound)
        issued = self._tokens.issue(
            info.namespace,
            info.name,
            account["metadata"].get("uid", ""),
            audiences=spec.get("audiences") or (),
            seconds=seconds,
            bound=bound,
        )
        spec["expirationSeconds"] = seconds
        spec["audiences"] = list(spec.get("audiences") or self._tokens.audiences)
        spec.setdefault("boundObjectRef", None)
        document["metadata"] |= {"name": info.name, "namespace": info.namespace}
        document["status"] = {
            "token": issued.token,
            "expirationTimestamp": issued.expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return json_response(orjson.dumps(document), 201)

    async def _bound(self, reference: Document | None, namespace: str, account: str) -> list[BoundTo]:
        if not reference:
            return []
        kind, name = reference.get("kind", ""), reference.get("name", "")
        if kind not in _PLACES or reference.get("apiVersion", "v1") != "v1":
            raise errors.bad_request(f"cannot bind token for serviceaccount {account!r} to a {kind!r}")
        plural, place = _PLACES[kind]
        key = f"/registry/{place}/{name}" if kind == "Node" else f"/registry/{place}/{namespace}/{name}"
        document = await self._read(plural, key, name)
        uid = document["metadata"].get("uid", "")
        if reference.get("uid") and reference["uid"] != uid:
            raise errors.conflict(
                plural,
                name,
                f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
                f"The object might have been deleted and then recreated",
            )
        bound = [BoundTo(kind, name, uid)]
        if kind == "Pod":
            bound += await self._of_pod(document, account)
        return bound

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


def _check_duration(seconds: int) -> None:
    problem = ""
    if seconds < SHORTEST:
        problem = "may not specify a duration less than 10 minutes"
    elif seconds > LONGEST:
        problem = "may not specify a duration larger than 2^32 seconds"
    if problem:
        found = invalid(at.spec.expirationSeconds, seconds, problem)
        raise errors.invalid("authentication.k8s.io", "TokenRequest", "", [found])
