"""Serving what the stored definitions define: level-based, from a definition to the resources that it means.

Guarantees  What is served for a definition is a function of its spec, its accepted names and whether it is being
deleted. A change of any of these ends the watches of the kind: clients list again under the new schema.
Follows pkg/apiserver/customresource_handler.go of apiextensions-apiserver.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pybernetes.apiserver.custom.conversion import WebhookConversion
from pybernetes.apiserver.custom.definition import GROUP, PLURAL, ConditionType, CustomKind, is_served, is_true
from pybernetes.apiserver.custom.version import CustomVersion, Family
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.apiserver.server import ApiServer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """What is served for one definition."""

    identity: tuple[Any, ...]
    versions: tuple[CustomVersion, ...]
    resources: tuple[Resource, ...]


class CustomServing:
    def __init__(self, server: ApiServer, webhooks: Callable[[Document], WebhookConversion]) -> None:
        self._server = server
        self._webhooks = webhooks
        self._served: dict[str, Served] = {}

    @property
    def served(self) -> Mapping[str, Served]:
        """By the definition's name."""
        return self._served

    async def bring_in_step(self, name: str, definition: Document | None) -> None:
        """Serves what the definition says; nothing where there is none, or its names are not accepted."""
        if definition is None or not is_served(definition):
            self._withdraw(name, self._served.pop(name, None))
            return
        identity = _identity(definition)
        before = self._served.get(name)
        if before is not None and before.identity == identity:
            return
        await self._serve(name, CustomKind.of(definition), identity, before)

    async def _serve(self, name: str, kind: CustomKind, identity: tuple[Any, ...], before: Served | None) -> None:
        family = Family.of(kind, self._webhooks, partial(self._is_terminating, name))
        versions = tuple(CustomVersion(family, one) for one in kind.versions if one.get("served"))
        resources = tuple(one.resource() for one in versions)
        clashes = [one.info for one in resources if self._is_built_in(one, before)]
        if clashes:
            log.warning("a definition overlaps with built-in resources", extra={"definition": name})
            return
        if before is not None and before.identity[0] != identity[0]:
            self._withdraw(name, before)
            before = None
        for resource in resources:
            await self._server.add_resource(resource)
        self._served[name] = Served(identity, versions, resources)
        kept = {one.info.version for one in resources}
        for resource in before.resources if before is not None else ():
            if resource.info.version not in kept:
                self._server.remove_resource(resource)
        for resource in resources[:1] if before is not None else ():
            self._server.registry(kind.group, resource.info.version, resource.info.plural).cache.subscribers.end_all()

    async def storage_of(self, name: str, definition: Document) -> Registry:
        """Where the objects are, even if no version is served any more: then nothing can be done through that door."""
        served = self._served.get(name)
        if served is None or not served.resources:
            kind = CustomKind.of(definition)
            family = Family.of(kind, self._webhooks, partial(self._is_terminating, name))
            (stored,) = (one for one in kind.versions if one.get("storage"))
            hidden = replace(CustomVersion(family, stored).resource(), verbs=(), subresources=())
            await self._server.add_resource(hidden)
            served = self._served[name] = Served(_identity(definition), (), (hidden,))
        info = served.resources[0].info
        return self._server.registry(info.group, info.version, info.plural)

    def _is_terminating(self, name: str) -> bool:
        definition = self._server.reader.get(f"{PLURAL}.{GROUP}", "", name)
        return definition is not None and is_true(definition, ConditionType.TERMINATING)

    def _is_built_in(self, resource: Resource, before: Served | None) -> bool:
        endpoint = self._server.endpoints.get((resource.info.group, resource.info.version, resource.info.plural))
        return endpoint is not None and endpoint.resource.custom is None

    def _withdraw(self, name: str, served: Served | None) -> None:
        for resource in served.resources if served is not None else ():
            self._server.remove_resource(resource)


def _identity(definition: Document) -> tuple[Any, ...]:
    """Two definitions of one identity are served alike. The uid comes first."""
    kind = CustomKind.of(definition)
    return kind.uid, kind.generation, kind.names, kind.terminating
