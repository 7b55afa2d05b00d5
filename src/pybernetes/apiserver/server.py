"""The API server: one function from a request to an answer.

Guarantees
  Nobody is served who is not known and allowed; every refusal is a Status with upstream's code, reason and message.
  Everything that a kind needs is built once, in ``start``.

Assumes  One event loop; the store, the clock and the random source are given.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from pybernetes.api import errors
from pybernetes.api.clock import Clock, SystemClock
from pybernetes.apiserver import shutdown
from pybernetes.apiserver.access import attributes_of, forbidden
from pybernetes.apiserver.admission.contract import Chain, Plugin
from pybernetes.apiserver.answers import error_answer
from pybernetes.apiserver.auth.contract import (
    AlwaysAllow,
    Authenticator,
    Authorizer,
    EveryoneIs,
    Impersonation,
    User,
)
from pybernetes.apiserver.endpoint import Endpoint
from pybernetes.apiserver.fairness.contract import Gate, TurnedAway
from pybernetes.apiserver.figures import AccessFigures
from pybernetes.apiserver.http import ApiRequest, ApiResponse, indeterminate, internal_error
from pybernetes.apiserver.kind_cache import KindCache
from pybernetes.apiserver.objects import Form
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.reader import CacheReader
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.request_info import INDETERMINATE, RequestInfo, parse
from pybernetes.apiserver.resource import Facilities, Reservations, Resource
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.apiserver.routing import Routing
from pybernetes.apiserver.warnings import fitting
from pybernetes.apiserver.watch_cache import ROOT, WatchCache
from pybernetes.apiserver.webhook_client import WebhookClients
from pybernetes.store.contract import Store, StoreError

if TYPE_CHECKING:
    from pybernetes.apiserver.audit.auditor import Auditor
    from pybernetes.apiserver.audit.event import Audited

log = logging.getLogger(__name__)

GroupVersionResource = tuple[str, str, str]
VIRTUAL_GROUPS = frozenset({"", "authentication.k8s.io", "authorization.k8s.io"})
"""Groups of upstream's own that are served without a stored kind."""


class PlainFailure(Exception):
    """A request that came to nothing before anything was known of objects; it is told in plain text."""


class ApiServer:
    def __init__(
        self,
        store: Store,
        resources: Iterable[Resource],
        *,
        authenticator: Authenticator | None = None,
        authorizer: Authorizer | None = None,
        impersonation: Impersonation | None = None,
        admission: Sequence[Plugin] = (),
        clock: Clock | None = None,
        random: Random | None = None,
        options: ServerOptions | None = None,
    ) -> None:
        self.store = store
        self.options = options or ServerOptions()
        self.clock = clock or SystemClock()
        self.random = random or Random()
        self.authenticator: Authenticator = authenticator or EveryoneIs()
        self.authorizer: Authorizer = authorizer or AlwaysAllow()
        self.impersonation = impersonation
        """Who may act as somebody else; None: nobody is asked to."""
        self.auditor: Auditor | None = None
        """Who tells of requests; None: nobody does."""
        self.gate: Gate | None = None
        """Who lets requests in when there are many; None lets in all."""
        self.access_figures = AccessFigures()
        self.stopping = False
        """No new requests are wanted: the server is about to end."""
        self.turning_away = False
        """New requests are told to come again: nearly all that is left is to finish the others."""
        self.routes = Routes()
        self.watch_cache = WatchCache(store)
        self.endpoints: dict[GroupVersionResource, Endpoint] = {}
        self.reader = CacheReader(self.watch_cache)
        self.admission = Chain(admission, self.reader.has_any)
        self.webhooks = WebhookClients(self.reader, self.random)
        self._reservations: list[Reservations] = []
        self._caches: dict[str, KindCache] = {}
        served = tuple(resources)
        self._namespaces = next((f"{ROOT}{one.storage}/" for one in served if one.info.kind == "Namespace"), "")
        for resource in served:
            self._add_endpoint(resource)
        builtin = frozenset(resource.info.group for resource in served) | VIRTUAL_GROUPS
        self._routing = Routing(self.routes, self.endpoints, builtin)
        self._on_served_change: list[Callable[[], None]] = []

    @property
    def reservations(self) -> tuple[Reservations, ...]:
        """What kinds take for their objects: addresses, ports."""
        return tuple(self._reservations)

    @property
    def resources(self) -> tuple[Resource, ...]:
        return tuple(endpoint.resource for endpoint in self.endpoints.values())

    async def start(self) -> None:
        """Reads the store; from here on requests are answered."""
        await self.watch_cache.start()
        for reservations in self._reservations:
            await reservations.start()

    async def stop(self) -> None:
        """Ends all watches. The store stays open: it belongs to the caller."""
        await self.watch_cache.stop()
        await self.webhooks.close()

    async def handle(self, request: ApiRequest) -> ApiResponse:
        if self.turning_away and not shutdown.is_exempt(request):
            return shutdown.refusal()
        info = parse(request)
        if info.verb == INDETERMINATE and not info.is_resource:
            return indeterminate(request.path)
        try:
            user = await self._identify(info, request)
            if self.gate is None:
                answer = await self._serve_user(user, info, request)
            else:
                answer = await self._serve_in_turn(self.gate, user, info, request)
        except errors.ApiError as error:
            answer = error_answer(request, error)
        except PlainFailure as error:
            answer = internal_error(request.uri or request.path, str(error))
        except StoreError as error:
            log.exception("the store failed", extra={"path": request.path})
            answer = error_answer(request, errors.internal_error(f"store: {error}"))
        except Exception as error:  # the last line of defence: one request must not take the server down
            log.exception("a request failed", extra={"path": request.path, "method": request.method})
            if request.audited is not None:
                request.audited.failed(error)
            return error_answer(request, errors.internal_error(f"{type(error).__name__}: {error}"))
        if self.auditor is not None and request.audited is not None:
            self.auditor.answered(request.audited, info, answer)
            if self.auditor.waits:
                await self.auditor.has_taken(request.audited)
        if request.warnings or answer.warnings:
            answer.warnings = fitting((*answer.warnings, *request.warnings))
        return answer

    async def _serve_in_turn(self, gate: Gate, user: User, info: RequestInfo, request: ApiRequest) -> ApiResponse:
        try:
            passed = await gate.enter(user, info, request)
        except TurnedAway as refusal:
            return refusal.answer
        try:
            answer = await self._serve_user(user, info, request)
        except errors.ApiError as error:
            answer = error_answer(request, error)
        finally:
            passed.leave()
        answer.classified = passed.classified
        return answer

    async def _serve_user(self, user: User, info: RequestInfo, request: ApiRequest) -> ApiResponse:
        await self._authorize(user, info, request)
        return await self._routing.handler(info, request)(Call(request, info, user))

    def registry(self, group: str, version: str, resource: str) -> Registry:
        """The storage of a served kind, for parts of the server that act on objects themselves. Raises ``KeyError``."""
        return self.endpoints[group, version, resource].registry

    def on_served_change(self, tell: Callable[[], None]) -> None:
        """``tell`` is called after each ``add_resource`` and ``remove_resource``."""
        self._on_served_change.append(tell)

    async def add_resource(self, resource: Resource) -> None:
        """Serves a kind that was defined while the server runs."""
        known = f"{ROOT}{resource.storage}/" in self._caches
        endpoint = self._add_endpoint(resource, later=True)
        if not known:
            await self.watch_cache.add_later(endpoint.registry.cache)
        self.tell_of_served_change()

    def remove_resource(self, resource: Resource) -> None:
        info = resource.info
        endpoint = self.endpoints.pop((info.group, info.version, info.plural), None)
        if endpoint is not None and not any(
            other.registry.cache is endpoint.registry.cache for other in self.endpoints.values()
        ):
            self.watch_cache.remove(endpoint.registry.cache)
            self.reader.forget(info.group_resource)
            self._caches.pop(endpoint.registry.prefix, None)
        self.tell_of_served_change()

    def tell_of_served_change(self) -> None:
        for tell in self._on_served_change:
            tell()

    async def _identify(self, info: RequestInfo, request: ApiRequest) -> User:
        """Who the request is served for."""
        try:
            user = await self._authenticate(request)
        except errors.ApiError as error:
            if self.auditor is not None:
                self.auditor.turned_away(info, request, error_answer(request, error))
            raise
        if self.auditor is not None:
            request.audited = self.auditor.begin(user, info, request)
            if request.audited is not None and (self.auditor.waits or self.auditor.strict):
                await self._must_be_told(self.auditor, request.audited)
        return user if self.impersonation is None else await self.impersonation.act_as(user, info, request)

    async def _must_be_told(self, auditor: Auditor, audited: Audited) -> None:
        """Before anything is done for the request."""
        if not await auditor.has_taken(audited) and auditor.strict:
            auditor.rejected += 1
            raise PlainFailure("failed to store audit event")

    async def _authenticate(self, request: ApiRequest) -> User:
        figures, began = self.access_figures, time.perf_counter()
        try:
            user = await self.authenticator.authenticate(request)
        except errors.ApiError:
            figures.refused.observe(time.perf_counter() - began)
            raise
        if user is None:
            figures.unknown.observe(time.perf_counter() - began)
            raise errors.unauthorized("Unauthorized")
        figures.knows(user.name, time.perf_counter() - began)
        return user

    async def _authorize(self, user: User, info: RequestInfo, request: ApiRequest) -> None:
        for attributes in attributes_of(info, request):
            began = time.perf_counter()
            decision = await self.authorizer.authorize(user, attributes)
            figures = self.access_figures
            outcome = figures.allowed if decision.allowed else figures.denied if decision.denied else figures.no_opinion
            outcome.observe(time.perf_counter() - began)
            if request.audited is not None:
                request.audited.annotate("authorization.k8s.io/decision", "allow" if decision.allowed else "forbid")
                request.audited.annotate("authorization.k8s.io/reason", decision.reason)
            if not decision.allowed and decision.error:
                raise PlainFailure(decision.error)
            if not decision.allowed:
                raise forbidden(user, attributes, decision)

    def _add_endpoint(self, resource: Resource, *, later: bool = False) -> Endpoint:
        info = resource.info
        reservations = None
        if resource.reservations is not None:
            reservations = resource.reservations(Facilities(self.store, self.reader, self.random, self.options))
            self._reservations.append(reservations)
        registry = Registry(
            resource,
            store=self.store,
            watch_cache=self.watch_cache,
            cache=self._cache_of(resource, later=later),
            admission=self.admission,
            random=self.random,
            reservations=reservations,
            namespaces=self._namespaces,
            siblings=partial(self._siblings_of, resource),
        )
        if resource.custom is not None:
            endpoint = resource.custom.endpoint(registry, self.clock, self.random, self.options)
        else:
            endpoint = Endpoint(registry, clock=self.clock, random=self.random, options=self.options)
        self.endpoints[info.group, info.version, info.plural] = endpoint
        return endpoint

    def _siblings_of(self, resource: Resource) -> list[Resource]:
        served = (endpoint.resource for endpoint in self.endpoints.values())
        return [one for one in served if one.storage == resource.storage and one is not resource]

    def _cache_of(self, resource: Resource, *, later: bool) -> KindCache:
        prefix = f"{ROOT}{resource.storage}/"
        cache = self._caches.get(prefix)
        if cache is None:
            info = resource.stored.info if resource.stored else resource.info
            form = Form(info, resource.null_lists)
            cache = self._caches[prefix] = KindCache(prefix, form, resource.dispatch)
            self.reader.know(info.group_resource, cache)
            if not later:
                self.watch_cache.add(cache)
        if resource.custom is not None:
            cache.form = resource.custom.form
        return cache
