"""One version of a custom kind, compiled: how its objects are read, completed, judged, shown and converted.

Guarantees
  Nothing of a schema is compiled before the first request that needs it, and nothing twice.
  What is made of a stored object (pruned, defaulted, converted) is made once per revision and version, and kept with
  it; an object that is as it must be already costs no second copy.

Follows pkg/apiserver/customresource_handler.go of apiextensions-apiserver: a stored object is pruned and defaulted by
the schema of the version it is stored in, then converted, then pruned by the schema of the version it is served in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from random import Random
from typing import Any

import orjson

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import FieldError
from pybernetes.api.kinds import KindInfo
from pybernetes.api.patch.parts import Kind
from pybernetes.api.patch.structural import structure_of
from pybernetes.api.schema.structural import StructuralShape
from pybernetes.apiserver.custom.columns import columns_of
from pybernetes.apiserver.custom.conversion import WebhookConversion
from pybernetes.apiserver.custom.definition import CustomKind, schema_of
from pybernetes.apiserver.custom.forms import VersionForm, forms_of
from pybernetes.apiserver.custom.jsonpath import compile_path
from pybernetes.apiserver.custom.metadata import finalizer_warnings
from pybernetes.apiserver.custom.openapi import CustomDefinitions
from pybernetes.apiserver.custom.other_versions import OtherVersions
from pybernetes.apiserver.custom.scales import ScalePaths
from pybernetes.apiserver.custom.validation import CustomValidation
from pybernetes.apiserver.custom.view import CustomView
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.published import Published
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import (
    ALL_VERBS,
    Context,
    Document,
    Resource,
    StatusSubresource,
    Subresource,
)

_ADVERTISED = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_WHILE_TERMINATING = ("delete", "deletecollection", "get", "list", "watch")


@dataclass(frozen=True, slots=True)
class Family:
    """What all versions of a kind share."""

    kind: CustomKind
    infos: Mapping[str, KindInfo]
    forms: Mapping[str, VersionForm]
    shapes: Mapping[str, StructuralShape]
    webhook: WebhookConversion | None
    is_terminating: Callable[[], bool]
    """Whether the definition is being deleted by now."""

    @classmethod
    def of(
        cls,
        kind: CustomKind,
        webhooks: Callable[[Document], WebhookConversion],
        is_terminating: Callable[[], bool],
    ) -> Family:
        names = kind.names
        infos = {
            one["name"]: KindInfo(kind.group, one["name"], names["kind"], names["plural"], kind.namespaced)
            for one in kind.versions
        }
        shapes = {
            one["name"]: StructuralShape(
                (kind.group, one["name"], names["kind"]), None if kind.preserves_unknown else schema_of(one)
            )
            for one in kind.versions
        }
        conversion = kind.conversion
        webhook = webhooks(conversion["webhook"]) if conversion.get("strategy") == "Webhook" else None
        return cls(kind, infos, forms_of(infos), shapes, webhook, is_terminating)


class CustomVersion:
    """Serves as ``resource.Custom``."""

    def __init__(self, family: Family, declared: Document) -> None:
        self.family = family
        self.declared = declared
        self.name: str = declared["name"]
        self.info = family.infos[self.name]
        self.schema = schema_of(declared)
        self.waits = family.webhook is not None
        self.scale = scale_of(declared)

    # what the server asks of a custom kind

    @property
    def shape(self) -> StructuralShape:
        return self.family.shapes[self.name]

    @cached_property
    def structure(self) -> Kind:
        return structure_of(self.shape.schema)

    @cached_property
    def other_versions(self) -> OtherVersions:
        family = self.family
        webhook = None if family.webhook is None else family.webhook.convert
        return OtherVersions(self.info.api_version, family.shapes, webhook)

    @property
    def form(self) -> VersionForm:
        return self.family.forms[self.family.kind.stored_version]

    @property
    def published(self) -> Published:
        kind, names = self.family.kind, self.family.kind.names
        return CustomDefinitions(
            identity=f"{kind.uid} {kind.generation}",
            info=(self.info.group, self.info.version, self.info.kind),
            list_kind=names["listKind"],
            plural=self.info.plural,
            schema=self.schema,
            selectable=tuple(one["jsonPath"].removeprefix(".") for one in self.declared.get("selectableFields") or ()),
        )

    @property
    def stored_info(self) -> KindInfo:
        return self.family.infos[self.family.kind.stored_version]

    @property
    def advertised_verbs(self) -> tuple[str, ...]:
        return _WHILE_TERMINATING if self.family.kind.terminating else _ADVERTISED

    def view(self, resource: Resource) -> CustomView:
        return CustomView(resource, self)

    def endpoint(self, registry: Registry, clock: Clock, random: Random, options: ServerOptions) -> Any:
        from pybernetes.apiserver.custom.endpoint import CustomEndpoint

        return CustomEndpoint(self, registry, clock=clock, random=random, options=options)

    async def prepare(self, found: Iterable[StoredObject]) -> None:
        webhook = self.family.webhook
        if webhook is None:
            return
        others = [one for one in found if self not in one.made and not self.is_stored_so(one)]
        if not others:
            return
        documents = [self._in_stored_version(one) for one in others]
        for stored, made in zip(others, await webhook.convert(documents, self.info.api_version), strict=True):
            self._keep(stored, self.shape.read(made).document)

    def read(self, stored: StoredObject) -> Document:
        return {**orjson.loads(self.item(stored)), "apiVersion": self.info.api_version, "kind": self.info.kind}

    async def write(self, document: Document) -> Document:
        target = self.stored_info
        if target.version == self.name:
            return document
        if self.family.webhook is None:
            converted = {**document, "apiVersion": target.api_version}
        else:
            (converted,) = await self.family.webhook.convert([document], target.api_version)
        return self.family.shapes[target.version].read(converted).document

    async def is_outdated(self, stored: StoredObject, document: Document) -> bool:
        if stored.form.api_version != self.stored_info.api_version:
            return True
        if self.name == self.stored_info.version:
            return not self.shows_as_stored(stored)
        written = self.form.to_stored(await self.write(document))
        return written != stored.value and bool(orjson.loads(written) != orjson.loads(stored.value))

    # stored objects in this version

    def item(self, stored: StoredObject) -> bytes:
        if self not in stored.made:
            self._make(stored)
        return stored.made[self] or stored.item

    def document(self, stored: StoredObject) -> Document:
        """Shared where the object is shown as it is stored: read-only."""
        return stored.document if self.shows_as_stored(stored) else self.read(stored)

    def is_stored_so(self, stored: StoredObject) -> bool:
        return stored.form.api_version == self.info.api_version

    def shows_as_stored(self, stored: StoredObject) -> bool:
        if not self.is_stored_so(stored):
            return False
        if self not in stored.made:
            self._make(stored)
        return stored.made[self] is None

    def _make(self, stored: StoredObject) -> None:
        document = self._in_stored_version(stored)
        if not self.is_stored_so(stored):
            if self.waits:
                raise errors.internal_error(f"{self.info.group_resource} {stored.name} is not converted")
            document = self.shape.read({**document, "apiVersion": self.info.api_version}).document
        self._keep(stored, document)

    def _keep(self, stored: StoredObject, document: Document) -> None:
        item = self.form.to_item(document)
        there = stored.form.item(stored.value, stored.revision)
        same = item == there or orjson.loads(item) == orjson.loads(there)
        made = {view: one for view, one in stored.made.items() if getattr(view, "name", "") != self.name}
        stored.made = {**made, self: None if same else item}

    def _in_stored_version(self, stored: StoredObject) -> Document:
        form = stored.form
        shape = self.family.shapes.get(form.version if isinstance(form, VersionForm) else self.name, self.shape)
        document = shape.read(stored.fresh_document()).document
        shape.default(document)
        if not document["metadata"].get("generation"):
            document["metadata"]["generation"] = 1
        return document

    # what the kind is

    @cached_property
    def validation(self) -> CustomValidation:
        return CustomValidation(self.schema, namespaced=self.info.namespaced, scale=self.scale)

    def resource(self) -> Resource:
        """The kind as the server serves it."""
        names = self.family.kind.names
        return Resource(
            info=self.info,
            short_names=tuple(names.get("shortNames") or ()),
            categories=tuple(names.get("categories") or ()),
            singular=names["singular"],
            list_kind=names["listKind"],
            verbs=ALL_VERBS,
            storage=self.family.kind.storage,
            custom=self,
            defaults=self._default,
            validate=lambda new: self.validation.of_new(new),
            validate_update=lambda new, old: self.validation.of_update(new, old),
            judges_updates_alone=True,
            initial_status=_no_status,
            generation=generation_changed,
            columns=columns_of(self.declared.get("additionalPrinterColumns") or ()),
            selectable=dict(_selectable(self.declared.get("selectableFields") or ())),
            subresources=tuple(self._subresources()),
            allows_unconditional_update=False,
            warnings=lambda new: finalizer_warnings(_finalizers(new), ()),
            update_warnings=lambda new, old: finalizer_warnings(_finalizers(new), _finalizers(old)),
            refuses_field=_refuses_field,
        )

    def _default(self, document: Document) -> None:
        self.shape.default(document)

    def _subresources(self) -> Iterator[Subresource]:
        if (self.declared.get("subresources") or {}).get("status") is not None:
            yield StatusSubresource(prepare=_only_status, validate=self._status_problems)
        if self.scale is not None:
            yield self.scale.subresource()

    def _status_problems(self, new: Document, old: Document) -> Iterator[FieldError]:
        return self.validation.of_status_update(new, old)


def _finalizers(document: Document) -> Sequence[str]:
    return document["metadata"].get("finalizers") or ()


def scale_of(declared: Document) -> ScalePaths | None:
    scale = (declared.get("subresources") or {}).get("scale")
    return None if scale is None else ScalePaths.of(scale)


def generation_changed(new: Document, old: Document) -> bool:
    """Whatever changes outside of the metadata."""
    names = {*new, *old} - {"metadata"}
    return any(new.get(name) != old.get(name) for name in names)


def _refuses_field(path: str) -> str:
    return f"field label not supported: {path}"


def _no_status(document: Document) -> None:
    return None


def _only_status(new: Document, old: Document, context: Context) -> None:
    """Of the metadata, an update of the status changes only who manages what."""
    metadata = dict(old["metadata"])
    managers = new["metadata"].get("managedFields")
    if managers:
        metadata["managedFields"] = managers
    new["metadata"] = metadata


def _selectable(declared: Sequence[Document]) -> Iterator[tuple[str, Callable[[Document], str]]]:
    for one in declared:
        path = one["jsonPath"]
        yield path.removeprefix("."), partial(_text_at, path)


def _text_at(path: str, document: Document) -> str:
    found = compile_path(path)(document)
    if not found or found[0] is None:
        return ""
    value = found[0]
    return value if isinstance(value, str) else orjson.dumps(value).decode()
