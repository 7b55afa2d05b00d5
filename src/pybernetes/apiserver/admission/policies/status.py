"""Gives validating policies their status: which generation was looked at, and what its expressions would trip over.

Upstream's kube-controller-manager does this. Here the API server does: it has the compiler of expressions and the
schemas, and controllers, which know the server only as clients, have neither.

Follows pkg/controller/validatingadmissionpolicystatus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.admission.policies.authors import GROUP
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.following import Follower
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.request_info import parse
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.server import ApiServer

if TYPE_CHECKING:
    from pybernetes.cel.types import Type

KIND = (GROUP, "v1", "validatingadmissionpolicies")
MANAGER = "validatingadmissionpolicy-status-controller"


class PolicyStatus:
    """Level-based, from the watch cache; a policy that is up to date costs a comparison."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self._endpoint = server.endpoints[KIND]
        self._follower = Follower(self._endpoint.registry.cache, self._attend, MANAGER)

    def start(self) -> None:
        self._follower.mark_all()
        self._follower.start()

    async def stop(self) -> None:
        await self._follower.stop()

    async def _attend(self, name: str) -> None:
        stored = await self._endpoint.registry.find("", name)
        if stored is None:
            return
        try:
            await self._bring_in_step(stored)
        except errors.ApiError as error:
            if error.code != 404:
                raise

    async def _bring_in_step(self, stored: StoredObject) -> None:
        policy = self._endpoint.registry.document_of(stored)
        generation = policy["metadata"].get("generation", 0)
        if generation <= (policy.get("status") or {}).get("observedGeneration", 0):
            return
        await self._apply(stored.name, self._status_of(policy, generation))

    def _status_of(self, policy: Document, generation: int) -> Document:
        from pybernetes.apiserver.admission.policies.type_checking import expression_warnings

        warnings = expression_warnings(policy, self._server.resources, self._type_of)
        checked = {"expressionWarnings": warnings} if warnings else {}
        return {"observedGeneration": generation, "typeChecking": checked}

    def _type_of(self, kind: tuple[str, str, str]) -> Type | None:
        from pybernetes.apiserver.admission.policies.schema_resolver import object_type_of

        for resource in self._server.resources:
            info = resource.info
            if (info.group, info.version, info.kind) == kind:
                return object_type_of(resource)
        return None

    async def _apply(self, name: str, status: Document) -> None:
        info = self._endpoint.info
        body = {"apiVersion": info.api_version, "kind": info.kind, "metadata": {"name": name}, "status": status}
        request = ApiRequest(
            "PATCH",
            info.path("", name, "status"),
            {"fieldManager": [MANAGER], "force": ["true"]},
            {"content-type": "application/apply-patch+yaml", "user-agent": MANAGER},
            orjson.dumps(body),
        )
        handler = self._endpoint.handler("patch", "status")
        if handler is not None:
            await handler(Call(request, parse(request), SERVER_USER))
