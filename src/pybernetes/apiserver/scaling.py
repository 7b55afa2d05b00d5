"""The doors of `/scale`: GET, PUT, PATCH and apply of a kind's number of replicas as an autoscaling/v1 Scale.

Guarantees  Who manages the replicas is known on both sides: entries of the object show on its Scale, and who changes
the replicas through this door manages them on the object.

Follows ScaleREST in pkg/registry/apps/deployment/storage and scalehandler.go of
k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from dataclasses import replace as dataclass_replace
from functools import cache

from msgspec.structs import replace

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.errors import ApiError
from pybernetes.api.kinds import KindInfo
from pybernetes.api.patch.apply import Author, updated
from pybernetes.api.patch.field_set import Path, difference, fields_at, has, union
from pybernetes.api.patch.managed import UPDATE, Entry, Manager, Managers
from pybernetes.api.patch.parts import kind_of
from pybernetes.api.patch.pruning import Typed
from pybernetes.api.schema import shape_of
from pybernetes.apiserver.admission.contract import Attributes, Judge, Kind
from pybernetes.apiserver.answers import media_answer
from pybernetes.apiserver.applying import applied, read_configuration
from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.decoding import Decoded, conform, decode
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.negotiation import Shown, media_of
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.patching import Patch, PatchType, patch_type
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.reset_fields import everything
from pybernetes.apiserver.resource import Context, Document, Resource, ScaleSubresource
from pybernetes.apiserver.resources.cells import number_column
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.rules import MainRule
from pybernetes.apiserver.scale import API_VERSION, scale_of, scaled
from pybernetes.apiserver.tables import include_object, partial, table
from pybernetes.apiserver.tracking import author_of, check_place, managers_in, record
from pybernetes.apiserver.updating import Proposal
from pybernetes.apiserver.view import View
from pybernetes.apiserver.write_options import FieldValidation, check_patch_options, field_validation

SCALE = KindInfo("autoscaling", "v1", "Scale", "scales", True, "autoscaling_v1")
SHAPE = shape_of("autoscaling", "v1", "Scale")
_SUBRESOURCE = "scale"
_SEEN = Kind(SCALE.group, SCALE.version, SCALE.kind)
_REPLICAS = fields_at(("f:spec", "f:replicas"))


@cache
def _typed() -> Typed:
    return Typed(kind_of(SHAPE.definition), SHAPE.read({}).document)


SCALES = Resource(
    info=SCALE,
    columns=(
        dataclass_replace(NAME, format=""),
        number_column("Desired", "spec.replicas"),
        number_column("Available", "status.replicas"),
        AGE,
    ),
)
"""How a Scale is shown in a table."""


class ScaleRule:
    """An update of the whole object that admission sees as one of its scale."""

    subresource = _SUBRESOURCE

    def __init__(self, main: MainRule) -> None:
        self.prepare = main.prepare
        self.problems = main.problems
        self.warnings = main.warnings


@dataclass(slots=True)
class ScaleJudge:
    """Shows the server's plugins Scales: to those who mutate the one that was sent, to those who validate the
    object's. What they make of one counts for the object."""

    judge: Judge
    declared: ScaleSubresource
    sent: Document = field(default_factory=dict)
    before: Document = field(default_factory=dict)

    async def mutate(self, attributes: Attributes) -> None:
        seen = replace(attributes, document=self.sent, old=self.before, of_kind=_SEEN)
        await self.judge.mutate(seen)
        if attributes.document is not None:
            scaled(self.declared, attributes.document, self.sent)

    async def validate(self, attributes: Attributes) -> None:
        document, old = self._scale(attributes.document), self._scale(attributes.old)
        await self.judge.validate(replace(attributes, document=document, old=old, of_kind=_SEEN))

    def _scale(self, document: Document | None) -> Document | None:
        return None if document is None else SHAPE.read(scale_of(self.declared, document)).document


@dataclass(frozen=True, slots=True)
class Wanted:
    """A Scale, and who manages it then."""

    scale: Document
    managers: Managers


Change = Callable[[Document, Managers, Author], Wanted]
"""From the Scale as it is, with its managers. Raises to refuse."""


_UNKNOWN = (
    "no kind is registered for the type v1.Scale in scheme "
    '"k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go:781"'
)


class ScaleDoor:
    """``context_of`` is how the endpoint reads a request's context."""

    def __init__(
        self,
        registry: Registry,
        view: View,
        declared: ScaleSubresource,
        main: MainRule,
        clock: Clock,
        context_of: Callable[[Call, Clock], Context],
    ) -> None:
        self._registry = registry
        self._view = view
        self._declared = declared
        self._rule = ScaleRule(main)
        self._clock = clock
        self._context_of = context_of
        self._path: Path = tuple(f"f:{name}" for name in declared.replicas.split("."))

    async def get(self, call: Call) -> ApiResponse:
        media_of(call.request)
        stored = await self._registry.get(call.info.namespace, call.info.name)
        return self._answer(call.request, stored)

    async def update(self, call: Call) -> ApiResponse:
        decoded = self._decoded(call.request)
        call.request.warnings.extend(decoded.warnings)
        wanted = decoded.document
        check_place(wanted.setdefault("metadata", {}), call.info.namespace, call.info.name)

        def change(shown: Document, managers: Managers, author: Author) -> Wanted:
            return Wanted(wanted, updated(shown, wanted, managers, _typed(), author))

        return await self._write(call, change, pinned=bool(wanted["metadata"].get("resourceVersion")))

    def _decoded(self, request: ApiRequest) -> Decoded:
        """Servers of custom resources know no Scale by which to say what is wrong."""
        try:
            return decode(request, SHAPE, SCALE)
        except ApiError as error:
            if error.code != 400 or self._registry.resource.custom is None:
                raise
            raise errors.bad_request(_UNKNOWN) from error

    async def patch(self, call: Call) -> ApiResponse:
        request = call.request
        applies = patch_type(request) is PatchType.APPLY
        check_patch_options(request, applies=applies)
        return await self._write(call, self._apply(request) if applies else self._patch(call), pinned=False)

    def _patch(self, call: Call) -> Change:
        patch = Patch(call.request, SHAPE, field_validation(call.request))

        def change(shown: Document, managers: Managers, author: Author) -> Wanted:
            decoded = patch.conform(patch(shown), SCALE, _managed(shown, managers))
            call.request.warnings[:] = decoded.warnings
            return Wanted(decoded.document, updated(shown, decoded.document, managers, _typed(), author))

        return change

    def _apply(self, request: ApiRequest) -> Change:
        configuration = read_configuration(request, SCALE, _typed(), field_validation(request))
        request.warnings.extend(configuration.warnings)

        def change(shown: Document, managers: Managers, author: Author) -> Wanted:
            result = applied(shown, managers, configuration, _typed(), author, everything)
            document = conform(result.document, SHAPE, SCALE, FieldValidation.IGNORE).document
            return Wanted(document, result.managers)

        return change

    async def _write(self, call: Call, change: Change, *, pinned: bool) -> ApiResponse:
        judge = ScaleJudge(self._registry.admission, self._declared)
        context = replace(self._context_of(call, self._clock), judge=judge)
        author = replace(author_of(self._registry.info, context, _SUBRESOURCE), api_version=API_VERSION)

        def propose(current: StoredObject) -> Proposal:
            document = self._registry.fresh_document_of(current)
            managers = managers_in(document)
            shown = SHAPE.read(scale_of(self._declared, document)).document
            before = self._to_scale(managers)
            wanted = change(shown, before, author)
            metadata = wanted.scale.setdefault("metadata", {})
            check_place(metadata, call.info.namespace, call.info.name)
            self._check_uid(metadata, document)
            after = self._to_object(managers, wanted.managers)
            metadata.setdefault("namespace", call.info.namespace)
            judge.before, judge.sent = _managed(shown, before), _managed(wanted.scale, wanted.managers)
            return Proposal(scaled(self._declared, document, wanted.scale), pinned, after)

        name = call.info.name
        written = await self._registry.update(call.info.namespace, name, propose, context, self._rule)
        return self._answer(call.request, written)

    def _answer(self, request: ApiRequest, stored: StoredObject) -> ApiResponse:
        media = media_of(request)
        document = scale_of(self._declared, self._view.document(stored))
        if media.shown is Shown.PARTIAL:
            document = partial(document, media.version)
        elif media.shown is Shown.TABLE:
            document = table(
                SCALES,
                [document],
                version=media.version,
                include=include_object(request),
                now=self._clock.now(),
                list_metadata={"resourceVersion": str(stored.revision)},
            )
        return media_answer(request, document, media)

    def _check_uid(self, metadata: Document, document: Document) -> None:
        stated, uid = metadata.get("uid"), document["metadata"]["uid"]
        if stated and stated != uid:
            raise self._registry.uid_mismatch(document["metadata"], stated)

    # managers

    def _to_scale(self, managers: Managers) -> Managers:
        """Those who have the replicas, as they stand on the Scale."""
        return {
            _of_version(manager, API_VERSION): Entry(API_VERSION, _REPLICAS, entry.time)
            for manager, entry in managers.items()
            if has(entry.fields, self._path)
        }

    def _to_object(self, managers: Managers, of_scale: Managers) -> Managers:
        """The object's managers when the Scale has these."""
        path, version = fields_at(self._path), self._registry.info.api_version
        left = dict(of_scale)
        result: Managers = {}
        for manager, entry in managers.items():
            if not has(entry.fields, self._path) or left.pop(manager, None) is not None:
                result[manager] = entry
            elif rest := difference(entry.fields, path):
                result[manager] = replace(entry, fields=rest)
        for manager, entry in left.items():
            if has(entry.fields, ("f:spec", "f:replicas")):
                mine = _of_version(manager, version)
                before = result.get(mine)
                fields = union(before.fields, path) if before else path
                result[mine] = Entry(version, fields, before.time if before else "")
        return result


def _managed(scale: Document, managers: Managers) -> Document:
    """As admission sees it: with those who manage it."""
    shown = {**scale, "metadata": {**scale["metadata"]}}
    record(shown, managers)
    return shown


def _of_version(manager: Manager, api_version: str) -> Manager:
    return manager._replace(api_version=api_version) if manager.operation == UPDATE else manager
