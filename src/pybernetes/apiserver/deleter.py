"""DELETE, of an object and of a collection: from a request to an answer.

Follows k8s.io/apiserver/pkg/endpoints/handlers/delete.go.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.apiserver.answers import document_answer, list_answer, object_answer
from pybernetes.apiserver.contexts import context_of_deletion
from pybernetes.apiserver.delete_options import read_delete_options
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.deleting import Deleted
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.list_options import read_options
from pybernetes.apiserver.listing import Lister
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.selection import select
from pybernetes.apiserver.view import View

_JOB_WARNING = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set "
    "propagationPolicy=Orphan to suppress this warning"
)


class Deleter:
    def __init__(self, registry: Registry, view: View, lister: Lister, clock: Clock) -> None:
        self._registry = registry
        self._resource = registry.resource
        self._info = registry.info
        self._view = view
        self._lister = lister
        self._clock = clock

    async def delete(self, call: Call) -> ApiResponse:
        options = read_delete_options(call.request)
        context = context_of_deletion(call, self._clock, options)
        if call.info.name in self._resource.kept:
            raise errors.forbidden(self._info.group_resource, call.info.name, self._resource.kept[call.info.name])
        self._warn_of_dependents(call, options)
        deleted = await self._registry.delete(self._namespace(call), call.info.name, options, context)
        status = 202 if not deleted.removed and options.orphan_dependents is False else 200
        if deleted.removed and not self._resource.returns_deleted:
            return document_answer(call.request, self._status_of(call.info.name, deleted), status)
        shown = await self._registry.shown(deleted)
        return object_answer(call.request, self._view, shown, context.now, status)

    async def delete_collection(self, call: Call) -> ApiResponse:
        listing = read_options(call.request)
        options = read_delete_options(call.request)
        context = context_of_deletion(call, self._clock, options)
        self._warn_of_dependents(call, options)
        selection = select(self._view, self._namespace(call), "", listing)
        page = await self._lister.list(self._namespace(call), listing, selection)
        await self._registry.delete_all(tuple(page.found), options, context)
        return await list_answer(call.request, self._view, page.found, page.metadata, context.now)

    def _status_of(self, name: str, deleted: Deleted) -> Document:
        details = {"name": name, "kind": self._info.plural}
        if self._info.group:
            details["group"] = self._info.group
        details["uid"] = self._view.document(deleted.object)["metadata"]["uid"]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _warn_of_dependents(self, call: Call, options: DeleteOptions) -> None:
        if self._resource.orphans_by_default and self._info.kind == "Job" and options.is_silent_about_dependents:
            call.request.warnings.append(_JOB_WARNING)

    def _namespace(self, call: Call) -> str:
        """A namespace is in itself for the authorizer, but not for its storage."""
        return call.info.namespace if self._info.namespaced else ""
