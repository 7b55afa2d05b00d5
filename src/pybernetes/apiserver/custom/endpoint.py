"""The verbs of a custom kind, where they differ from those of built-in ones.

Follows pkg/apiserver/customresource_handler.go of apiextensions-apiserver.
"""

from __future__ import annotations

from random import Random
from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import invalid
from pybernetes.apiserver.answers import list_answer
from pybernetes.apiserver.custom.scales import at
from pybernetes.apiserver.custom.version import CustomVersion
from pybernetes.apiserver.custom.watching import ConvertedWatch
from pybernetes.apiserver.decoding import Decoded, cannot_be_handled, identity_problem, parse_body, unrecognized
from pybernetes.apiserver.discovery.served import version_rank
from pybernetes.apiserver.endpoint import Endpoint
from pybernetes.apiserver.http import ApiRequest, ApiResponse, no_such_page
from pybernetes.apiserver.list_options import read_options
from pybernetes.apiserver.negotiation import Encoding, encoding_of_body, watch_media_of
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.patching import Patch, PatchType
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call, Handler
from pybernetes.apiserver.selection import Selection, candidates, select
from pybernetes.apiserver.watch_lines import lines_for
from pybernetes.apiserver.write_options import FieldValidation, field_validation

_PATCHES = (PatchType.JSON, PatchType.MERGE, PatchType.APPLY)
_ACROSS_NAMESPACES = frozenset(("list", "watch"))
_NAMED = frozenset(("get", "update", "patch", "delete"))
_TERMINATING = "create not allowed while custom resource definition is terminating"


def _sorted_text(document: Document) -> str:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()


class CustomEndpoint(Endpoint):
    _text = staticmethod(_sorted_text)

    def __init__(
        self, version: CustomVersion, registry: Registry, *, clock: Clock, random: Random, options: ServerOptions
    ) -> None:
        self._version = version
        super().__init__(registry, clock=clock, random=random, options=options)
        self._deprecation = deprecation_of(version)
        self._guarded = {key: self._guard(handler) for key, handler in self._verbs.items()}
        if version.scale is not None:
            self._guarded["get", "scale"] = self._guard(self._get_scale)
        self._subresources = frozenset(one.name for one in self.resource.subresources)

    def handler(self, verb: str, subresource: str) -> Handler | None:
        """Whatever is asked for: what a custom kind has not is told in its own words."""
        found = self._guarded.get((verb, subresource))
        if found is not None:
            return found
        return self._guard(self._not_supported if subresource in ("", *self._subresources) else self._not_found)

    async def _not_supported(self, call: Call) -> ApiResponse:
        raise errors.method_not_supported(self.info.group_resource, call.info.verb)

    async def _not_found(self, call: Call) -> ApiResponse:
        raise errors.not_found(self.info.group_resource, call.info.name)

    def _guard(self, handler: Handler) -> Handler:
        """Requests in another scope than the kind's lead nowhere; those of a deprecated version are warned."""

        async def guarded(call: Call) -> ApiResponse:
            if not self._fits(call):
                return no_such_page()
            if call.info.verb in _NAMED and not call.info.name:
                raise errors.bad_request("name must be provided")
            if call.info.verb == "patch":
                _check_patch(call.request)
            try:
                return await handler(call)
            finally:
                if self._deprecation:
                    call.request.warnings.insert(0, self._deprecation)

        return guarded

    def _fits(self, call: Call) -> bool:
        inside, across = bool(call.info.namespace), call.info.verb in _ACROSS_NAMESPACES
        return inside == self.info.namespaced or (self.info.namespaced and across)

    # reading

    async def list(self, call: Call) -> ApiResponse:
        if not self._version.waits:
            return await super().list(call)
        options = read_options(call.request)
        selection = select(self.view, self._namespace(call), "", options)
        await self._prepare_selection(selection)
        page = await self._lister.list(self._namespace(call), options, selection)
        await self._version.prepare(page.found)
        return await list_answer(call.request, self.view, page.found, page.metadata, self._clock.now())

    async def watch(self, call: Call) -> ApiResponse:
        if not self._version.waits:
            return await super().watch(call)
        options = read_options(call.request)
        media = watch_media_of(call.request, self.view.offer)
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

    # writing

    def _decode(self, request: ApiRequest) -> Document:
        try:
            document = parse_body(request)
        except errors.ApiError:
            return super()._decode(request)
        self._check_identity(document, request)
        return super()._decode(request)

    def _check_identity(self, document: Any, request: ApiRequest) -> None:
        """What a body says it is; upstream lets another kind come as far as validation."""
        if identity_problem({} if document is None else document):
            return
        version, kind = (document or {}).get("apiVersion") or "", (document or {}).get("kind") or ""
        if not kind:
            raise errors.bad_request(self._without_kind(document, request))
        if version != self.info.api_version:
            wanted = self.info.api_version
            raise errors.bad_request(
                f"the API version in the data ({version}) does not match the expected API version ({wanted})"
            )
        if kind != self.info.kind:
            metadata = (document or {}).get("metadata")
            name = metadata.get("name", "") if isinstance(metadata, dict) else ""
            problem = invalid("kind", kind, f"must be {self.info.kind}")
            raise errors.invalid(self.info.group, kind, name, [problem])

    def _without_kind(self, document: Any, request: ApiRequest) -> str:
        """Who looks at the fields of a body sees it as it was sent."""
        text, body = request.body.decode("utf-8", "replace"), request.body
        if field_validation(request) is not FieldValidation.IGNORE:
            return unrecognized(self.info, f"Object 'Kind' is missing in '{text}'", body)
        if encoding_of_body(request) is not Encoding.JSON:
            text = _sorted_text(document)
        return cannot_be_handled(self.info, f"Object 'Kind' is missing in '{text}'")

    def _conform_patched(self, patch: Patch, patched: Document, live: Document) -> Decoded:
        wrong = identity_problem(patched)
        if wrong:
            raise patch.refused(patched, wrong, live)
        kind, version = patched.get("kind") or "", patched.get("apiVersion") or ""
        if not kind:
            raise patch.refused(patched, f"Object 'Kind' is missing in '{_sorted_text(patch(live))}'", live)
        if not version:
            raise errors.internal_error("Object 'apiVersion' is missing in 'object has no apiVersion field'")
        wanted = (("kind", kind, self.info.kind), ("apiVersion", version, self.info.api_version))
        problems = [invalid(field, stated, f"must be {one}") for field, stated, one in wanted if stated != one]
        if problems:
            name = str((patched.get("metadata") or {}).get("name") or "")
            raise errors.invalid(version.rpartition("/")[0], kind, name, problems)
        return super()._conform_patched(patch, patched, live)

    async def create(self, call: Call) -> ApiResponse:
        if self._version.family.is_terminating():
            name = (self._decode(call.request).get("metadata") or {}).get("name") or ""
            raise errors.forbidden(self.info.group_resource, name, _TERMINATING)
        return await super().create(call)

    # scale

    async def _get_scale(self, call: Call) -> ApiResponse:
        stored = await self.registry.get(self._namespace(call), call.info.name)
        path = self._version.scale.replicas if self._version.scale is not None else ""
        if at(self.view.document(stored), path) is None:
            raise errors.internal_error(f'the spec replicas field "{path}" does not exist')
        return await self._verbs["get", "scale"](call)


def _check_patch(request: ApiRequest) -> None:
    stated = request.headers.get("content-type", "").split(";")[0]
    if stated not in _PATCHES:
        raise errors.unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {', '.join(_PATCHES)}"
        )


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
