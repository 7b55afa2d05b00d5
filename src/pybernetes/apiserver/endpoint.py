"""The verbs of one served kind: from a request to an answer.

Each method is a list of stages: read the request, let the registry act, answer in the form asked for.
Follows k8s.io/apiserver/pkg/endpoints/handlers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.meta import copy_of
from pybernetes.api.patch.managed import Managers
from pybernetes.api.schema import Shape
from pybernetes.api.schema.hollow import hollowed, may_be_hollow, states_empty
from pybernetes.apiserver.answers import list_answer, object_answer
from pybernetes.apiserver.applying import applied, completed, converted, read_configuration
from pybernetes.apiserver.contexts import context_of
from pybernetes.apiserver.decoding import Decoded, decode, parse_body
from pybernetes.apiserver.deleter import Deleter
from pybernetes.apiserver.empty_lists import Steps, as_null, stated, steps_of
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.list_options import read_options
from pybernetes.apiserver.listing import Lister, at_least
from pybernetes.apiserver.negotiation import media_of, watch_media_of
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.patching import Patch, PatchType, patch_type, text_of
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import (
    Context,
    Document,
    ScaleSubresource,
    SpecialSubresource,
    StatusSubresource,
)
from pybernetes.apiserver.routes import Call, Handler
from pybernetes.apiserver.rules import MainRule, SpecialRule, StatusRule, UpdateRule
from pybernetes.apiserver.scaling import ScaleDoor
from pybernetes.apiserver.selection import select
from pybernetes.apiserver.tracking import author_of, check_place, managers_in, unmanaged
from pybernetes.apiserver.updating import Proposal
from pybernetes.apiserver.view import view_of
from pybernetes.apiserver.watch_lines import lines_for
from pybernetes.apiserver.watching import Watcher
from pybernetes.apiserver.write_options import check_patch_options, field_validation

if TYPE_CHECKING:
    from pybernetes.apiserver.audit.event import Audited


class Endpoint:
    _text = staticmethod(text_of)

    def __init__(self, registry: Registry, *, clock: Clock, random: Random, options: ServerOptions) -> None:
        self.registry = registry
        self.resource = registry.resource
        self.info = registry.info
        self.view = view_of(registry.resource)
        self._clock = clock
        self._lister = Lister(registry)
        self._watcher = Watcher(registry, random, options.min_request_timeout)
        self._main = MainRule(registry.rules)
        self._verbs = self._table()
        self._null_lists = tuple(steps_of(path) for path in self.resource.null_lists)

    @cached_property
    def shape(self) -> Shape:
        return self.registry.shape

    def handler(self, verb: str, subresource: str) -> Handler | None:
        return self._verbs.get((verb, subresource))

    def _table(self) -> dict[tuple[str, str], Handler]:
        deleter = Deleter(self.registry, self.view, self._lister, self._clock)
        methods: dict[str, Handler] = {
            "get": self.get,
            "list": self.list,
            "watch": self.watch,
            "create": self.create,
            "update": self.update,
            "patch": self.patch,
            "delete": deleter.delete,
            "deletecollection": deleter.delete_collection,
        }
        table: dict[tuple[str, str], Handler] = {(verb, ""): methods[verb] for verb in self.resource.verbs}
        for declared in self.resource.subresources:
            for verb, handler in self._of_subresource(declared).items():
                if verb in declared.verbs:
                    table[verb, declared.name] = handler
        if self.resource.deprecation:
            return {key: _warned(handler, self.resource.deprecation) for key, handler in table.items()}
        return table

    def _of_subresource(
        self, declared: StatusSubresource | ScaleSubresource | SpecialSubresource
    ) -> dict[str, Handler]:
        rule: UpdateRule
        match declared:
            case ScaleSubresource():
                door = ScaleDoor(self.registry, self.view, declared, self._main, self._clock, context_of)
                return {"get": door.get, "update": door.update, "patch": door.patch}
            case StatusSubresource():
                rule = StatusRule(declared, common_metadata=self.resource.common_metadata)
            case SpecialSubresource(parent_update=None):
                return {}
            case SpecialSubresource():
                rule = SpecialRule(declared)
        return {
            "get": self.get,
            "update": lambda call: self._put(call, rule),
            "patch": lambda call: self._patch(call, rule),
        }

    # reading

    async def get(self, call: Call) -> ApiResponse:
        media_of(call.request, self.view.offer)
        if call.request.query:
            await at_least(self.registry.watch_cache, call.request.param("resourceVersion"))
        stored = await self.registry.get(self._namespace(call), call.info.name)
        return object_answer(call.request, self.view, stored, self._clock.now())

    async def list(self, call: Call) -> ApiResponse:
        media_of(call.request, self.view.offer)
        options = read_options(call.request)
        selection = select(self.view, self._namespace(call), "", options)
        page = await self._lister.list(self._namespace(call), options, selection)
        return await list_answer(call.request, self.view, page.found, page.metadata, self._clock.now())

    async def watch(self, call: Call) -> ApiResponse:
        options = read_options(call.request)
        media = watch_media_of(call.request, self.view.offer)
        selection = select(self.view, self._namespace(call), call.info.name, options)
        lines = lines_for(call.request, self.view, media, self._clock.now)
        stream = await self._watcher.open(options, selection, lines)
        return ApiResponse(200, stream, {"Content-Type": media.watch_type})

    # writing

    async def create(self, call: Call) -> ApiResponse:
        self._require_namespace(call)
        document = self._decode(call.request)
        context = self._context(call)
        emptied = self._emptied(call.request)
        created = await self.registry.create(self._namespace(call), document, context, emptied=emptied)
        return object_answer(call.request, self.view, created, context.now, 201)

    async def update(self, call: Call) -> ApiResponse:
        if self.resource.allows_create_on_update and not call.info.subresource:
            name = call.info.name
            if await self.registry.find(self._namespace(call), name) is None:
                return await self._create_by_update(call)
        return await self._put(call, self._main)

    async def _create_by_update(self, call: Call) -> ApiResponse:
        document = self._decode(call.request)
        metadata = document.setdefault("metadata", {})
        check_place(metadata, self._namespace(call), call.info.name)
        if metadata.get("uid"):
            absent = {"namespace": self._namespace(call), "name": call.info.name, "uid": ""}
            raise self.registry.uid_mismatch(absent, metadata["uid"])
        metadata.pop("resourceVersion", None)
        context = self._context(call)
        emptied = self._emptied(call.request)
        created = await self.registry.create(self._namespace(call), document, context, emptied=emptied)
        return object_answer(call.request, self.view, created, context.now, 201)

    async def _put(self, call: Call, rule: UpdateRule) -> ApiResponse:
        first = self._decode(call.request)
        check_place(first.setdefault("metadata", {}), self._namespace(call), call.info.name)
        documents = iter([first])
        pinned = bool(first["metadata"].get("resourceVersion"))
        emptied, hollow = self._emptied(call.request), self._hollowed(call.request)
        raises = bool(self.resource.compared_exactly) and _states_empty(call.request)
        raises = raises and self._states_empty(parse_body(call.request))

        def propose(current: StoredObject) -> Proposal:
            document = next(documents, None)
            if document is None:
                document = self._decode(call.request)
            document.setdefault("metadata", {})
            return Proposal(document, pinned, emptied=emptied, hollowed=hollow, raises_generation=raises)

        return await self._write(call, propose, rule)

    async def patch(self, call: Call) -> ApiResponse:
        return await self._patch(call, self._main)

    async def _patch(self, call: Call, rule: UpdateRule) -> ApiResponse:
        applies = patch_type(call.request) is PatchType.APPLY
        check_patch_options(call.request, applies=applies)
        if call.request.audited is not None:
            call.request.audited.request_patch(call.request.body)
        if applies:
            return await self._apply(call, rule)
        patch = Patch(call.request, self.shape, field_validation(call.request), self._text)
        about_managers = b"managedFields" in call.request.body
        null_lists = self._null_lists if b"[" in call.request.body else ()
        states_empty = _states_empty(call.request)

        def propose(current: StoredObject) -> Proposal:
            live = self.registry.fresh_document_of(current)
            before = live if about_managers else unmanaged(live)
            for steps in null_lists:
                before = as_null(before, steps)
            patched = patch(before)
            read = self._conform_patched(patch, patched, live)
            call.request.warnings[:] = read.warnings
            read.document.setdefault("metadata", {})
            hollow = self._hollow_fields(patched) if states_empty else ()
            return Proposal(
                read.document,
                by_patch=True,
                emptied=stated(patched, null_lists),
                hollowed=hollow,
                raises_generation=states_empty and self._states_empty(patched),
            )

        return await self._write(call, propose, rule)

    def _conform_patched(self, patch: Patch, patched: Document, live: Document) -> Decoded:
        return patch.conform(patched, self.info, live)

    async def _apply(self, call: Call, rule: UpdateRule) -> ApiResponse:
        registry, namespace, name = self.registry, self._namespace(call), call.info.name
        exists = await registry.find(namespace, name) is not None
        if rule.subresource and not exists:
            raise errors.not_found(self.info.group_resource, name)
        mode = field_validation(call.request)
        configuration = read_configuration(call.request, self.info, registry.typed, mode)
        call.request.warnings.extend(configuration.warnings)
        context = self._context(call)
        author = author_of(self.info, context, rule.subresource)
        keep = registry.kept_through(rule.subresource)

        def made(live: Document | None) -> tuple[Document, Managers]:
            before = None if live is None else unmanaged(live)
            managers = {} if live is None else managers_in(live)
            result = applied(before, managers, configuration, registry.typed, author, keep)
            document = converted(result.document, configuration, self.shape, self.info)
            return completed(document, self.info, namespace, name, is_new=live is None), result.managers

        if not exists:
            document, managers = made(None)
            document["metadata"].pop("resourceVersion", None)
            created = await registry.create(namespace, document, context, managers)
            return object_answer(call.request, self.view, created, context.now, 201)

        pinned = bool((configuration.document.get("metadata") or {}).get("resourceVersion"))

        def propose(current: StoredObject) -> Proposal:
            live = registry.fresh_document_of(current)
            document, managers = made(live)
            return Proposal(
                document,
                pinned,
                managers,
                by_patch=True,
                live=self._given_away(live),
                raises_generation=self._states_empty(configuration.document),
            )

        return await self._write(call, propose, rule, context)

    def _given_away(self, live: Document) -> Document | None:
        """What was made of it has no part of it, but for what custom resources keep without knowing it."""
        return live if self.resource.custom is None else None

    async def _write(
        self,
        call: Call,
        propose: Callable[[StoredObject], Proposal],
        rule: UpdateRule,
        context: Context | None = None,
    ) -> ApiResponse:
        context = self._context(call) if context is None else context
        written = await self.registry.update(self._namespace(call), call.info.name, propose, context, rule)
        return object_answer(call.request, self.view, written, context.now)

    def _decode(self, request: ApiRequest) -> Document:
        """The body as an object of the kind; what is odd about it is told, whatever becomes of the write."""
        decoded = decode(request, self.shape, self.info)
        request.warnings.extend(decoded.warnings)
        if request.audited is not None:
            self._tell(request.audited, decoded.document)
        return decoded.document

    def _emptied(self, request: ApiRequest) -> Sequence[Steps]:
        """Lists that the body states to be empty, of those that are null when nobody states them."""
        if not self._null_lists or b"[" not in request.body:
            return ()
        return stated(parse_body(request), self._null_lists)

    def _hollowed(self, request: ApiRequest) -> Sequence[Steps]:
        if self.resource.custom is not None or not _states_empty(request):
            return ()
        if not may_be_hollow(self.shape.definition.id, request.body):
            return ()
        return self._hollow_fields(parse_body(request))

    def _hollow_fields(self, document: Document) -> Sequence[Steps]:
        """Of what was sent; a custom kind's stored objects keep their empty lists."""
        return () if self.resource.custom is not None else hollowed(self.shape.definition.id, document)

    def _states_empty(self, document: Document) -> bool:
        """What was sent states an empty list or map where that counts as a change."""
        exactly = self.resource.compared_exactly
        return bool(exactly) and states_empty(self.shape.definition.id, document, exactly)

    def _tell(self, audited: Audited, document: Document) -> None:
        """With defaults, as upstream's decoder fills them in."""
        if audited.tells_requests and self.resource.defaults is not None:
            document = copy_of(document)
            self.resource.defaults(document)
        audited.request_object(document)

    # shared

    def _context(self, call: Call) -> Context:
        return context_of(call, self._clock)

    def _namespace(self, call: Call) -> str:
        """A namespace is in itself for the authorizer, but not for its storage."""
        return call.info.namespace if self.info.namespaced else ""

    def _require_namespace(self, call: Call) -> None:
        if self.info.namespaced and not call.info.namespace:
            raise errors.method_not_supported(self.info.group_resource, call.info.verb)


def _states_empty(request: ApiRequest) -> bool:
    """Whether there may be an empty list or map in a body. Protobuf has none."""
    body = request.body
    return (b"[]" in body or b"{}" in body) and "protobuf" not in request.headers.get("content-type", "")


def _warned(handler: Handler, warning: str) -> Handler:
    async def warned(call: Call) -> ApiResponse:
        try:
            return await handler(call)
        finally:
            call.request.warnings.insert(0, warning)

    return warned
