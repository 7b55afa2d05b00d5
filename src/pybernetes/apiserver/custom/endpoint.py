"""The verbs of a custom kind, where they differ from those of built-in ones.

Follows pkg/apiserver/customresource_handler.go of apiextensions-apiserver.
"""

from __future__ import annotations

from random import Random

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.apiserver.answers import list_answer
from pybernetes.apiserver.custom.version import CustomVersion
from pybernetes.apiserver.custom.watching import ConvertedWatch
from pybernetes.apiserver.discovery.served import version_rank
from pybernetes.apiserver.endpoint import Endpoint
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.list_options import read_options
from pybernetes.apiserver.negotiation import media_of
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.patching import PatchType, patch_type, unsupported
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.routes import Call, Handler
from pybernetes.apiserver.rules import UpdateRule
from pybernetes.apiserver.selection import Selection, candidates, select
from pybernetes.apiserver.watch_lines import lines_for

_PATCHES = (PatchType.JSON, PatchType.MERGE, PatchType.APPLY)
_ACROSS_NAMESPACES = frozenset(("list", "watch"))
_TERMINATING = "create not allowed while custom resource definition is terminating"


class CustomEndpoint(Endpoint):
    def __init__(
        self, version: CustomVersion, registry: Registry, *, clock: Clock, random: Random, options: ServerOptions
    ) -> None:
        self._version = version
        super().__init__(registry, clock=clock, random=random, options=options)
        warning = deprecation_of(version)
        self._guarded = {key: self._guard(handler, warning) for key, handler in self._verbs.items()}

    def handler(self, verb: str, subresource: str) -> Handler | None:
        return self._guarded.get((verb, subresource))

    def _guard(self, handler: Handler, warning: str) -> Handler:
        """Requests in another scope than the kind's lead nowhere; those of a deprecated version are warned."""

        async def guarded(call: Call) -> ApiResponse:
            self._check_scope(call)
            if warning:
                call.request.warnings.append(warning)
            return await handler(call)

        return guarded

    def _check_scope(self, call: Call) -> None:
        info = call.info
        inside, across = bool(info.namespace), info.verb in _ACROSS_NAMESPACES
        if inside != self.info.namespaced and not (self.info.namespaced and across):
            raise errors.path_not_found()

    async def create(self, call: Call) -> ApiResponse:
        if self._version.family.kind.terminating:
            raise errors.forbidden(self.info.group_resource, "", _TERMINATING)
        return await super().create(call)

    async def _patch(self, call: Call, rule: UpdateRule) -> ApiResponse:
        self._check_patch(call)
        return await super()._patch(call, rule)

    async def _patch_scale(self, declared: object, call: Call) -> ApiResponse:
        self._check_patch(call)
        return await super()._patch_scale(declared, call)  # type: ignore[arg-type]

    def _check_patch(self, call: Call) -> None:
        try:
            known = patch_type(call.request) in _PATCHES
        except errors.ApiError:
            known = False
        if not known:
            raise unsupported(_PATCHES)

    async def list(self, call: Call) -> ApiResponse:
        if not self._version.waits:
            return await super().list(call)
        options = read_options(call.request)
        selection = select(self.view, self._namespace(call), "", options)
        await self._prepare_selection(selection)
        page = await self._lister.list(self._namespace(call), options, selection)
        await self._version.prepare(page.found)
        return list_answer(call.request, self.view, page.found, page.metadata, self._clock.now())

    async def watch(self, call: Call) -> ApiResponse:
        if not self._version.waits:
            return await super().watch(call)
        options = read_options(call.request)
        media = media_of(call.request)
        selection = select(self.view, self._namespace(call), call.info.name, options)
        lines = lines_for(call.request, self.view, media, self._clock.now)
        await self._version.prepare(candidates(self.registry.cache, selection))
        stream = await self._watcher.open(options, selection, lines)
        converted = ConvertedWatch(stream, self.registry.cache, self._version)
        return ApiResponse(200, converted, {"Content-Type": media.watch_type})

    async def _prepare_selection(self, selection: Selection) -> None:
        """What a field selector looks at has to be converted first."""
        if selection.fields is not None:
            await self._version.prepare(candidates(self.registry.cache, selection))


def deprecation_of(version: CustomVersion) -> str:
    """The warning that requests of the version get; "" if it is not deprecated."""
    declared, kind = version.declared, version.family.kind
    if not declared.get("deprecated"):
        return ""
    if declared.get("deprecationWarning") is not None:
        return str(declared["deprecationWarning"])
    name = kind.names["kind"]
    text = f"{version.info.api_version} {name} is deprecated"
    better = [
        one["name"]
        for one in kind.versions
        if one.get("served") and not one.get("deprecated") and version_rank(one["name"]) < version_rank(version.name)
    ]
    if better:
        text += f"; use {kind.group}/{min(better, key=version_rank)} {name}"
    return text
