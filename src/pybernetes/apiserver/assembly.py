"""A whole API server from its parts: kinds, admission, access, health, and the objects of the first moment.

``assemble`` builds it, ``start`` makes it answer. Where it runs and on which store is the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from random import Random

from pybernetes.api.clock import Clock, SystemClock
from pybernetes.apiserver import bootstrap, features, resources, start_hooks
from pybernetes.apiserver.admission import catalog
from pybernetes.apiserver.admission.contract import Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.policies import status as policy_status
from pybernetes.apiserver.admission.policies.authors import PolicyAuthors
from pybernetes.apiserver.auth.contract import Authenticator, Authorizer, Impersonation
from pybernetes.apiserver.binding import Binder
from pybernetes.apiserver.component_statuses import ComponentStatuses, control_plane
from pybernetes.apiserver.custom import definition as apiextensions
from pybernetes.apiserver.custom.controller import CustomResources
from pybernetes.apiserver.default_service_cidr import DefaultServiceCIDR
from pybernetes.apiserver.eviction import Evictor
from pybernetes.apiserver.fairness.configuration import GROUP, FairnessConfiguration
from pybernetes.apiserver.fairness.dump import Dump
from pybernetes.apiserver.fairness.in_flight import InFlightGate
from pybernetes.apiserver.health import Health
from pybernetes.apiserver.maintenance import Maintenance
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.runtime_config import chosen_modules
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.service_repair import ServiceRepair
from pybernetes.store.contract import Store


class Assembled:
    """The server and the parts that others add to: ``health`` checks, ``server.routes``."""

    def __init__(self, server: ApiServer, health: Health) -> None:
        self.server = server
        self.health = health
        self._started = False
        self._maintenance = Maintenance(server)
        self._service_range = DefaultServiceCIDR(server)
        self._service_repair = ServiceRepair(server)
        self._fairness = _fairness(server)
        self._custom = _custom(server)
        self._policies = _policies(server)
        health.live["etcd"] = self._following
        health.ready["informer-sync"] = self._synced
        health.ready[start_hooks.LAST] = self._wanted
        self._add_hooks(health)

    def _add_hooks(self, health: Health) -> None:
        add = partial(start_hooks.add_hook, health)
        self._store_read = add(start_hooks.STORE, lambda: self.server.watch_cache.following)
        self._objects_there = add(start_hooks.OBJECTS)
        self._range_kept = add(start_hooks.SERVICE_RANGE, lambda: self._service_range.is_running)
        self._services_repaired = add(start_hooks.SERVICE_REPAIR, lambda: self._service_repair.is_running)
        custom, fairness = self._custom, self._fairness
        if custom is not None:
            self._custom_served = add(start_hooks.CUSTOM_RESOURCES, lambda: custom.is_running)
        if fairness is not None:
            self._fairness_configured = add(start_hooks.FAIRNESS_CONFIGURED)
            self._fairness_followed = add(start_hooks.FAIRNESS_FOLLOWED, lambda: fairness.is_running)

    async def start(self) -> None:
        await self.server.start()
        self._store_read.done()
        if self._custom is not None:
            await self._custom.start()
            self._custom_served.done()
        await self._service_range.start()
        self._range_kept.done()
        await bootstrap.ensure(self.server)
        self._objects_there.done()
        await self._service_repair.start()
        self._services_repaired.done()
        if self._fairness is not None:
            await self._fairness.ensure()
            self._fairness_configured.done()
            await self._fairness.start()
            self._fairness_followed.done()
        self._maintenance.start()
        if self._policies is not None:
            self._policies.start()
        self._started = True

    async def stop(self) -> None:
        self._started = False
        if self._fairness is not None:
            await self._fairness.stop()
        await self._service_repair.stop()
        await self._service_range.stop()
        await self._maintenance.stop()
        if self._policies is not None:
            await self._policies.stop()
        if self._custom is not None:
            await self._custom.stop()
        await self.server.stop()

    async def _following(self) -> str | None:
        following = not self._started or self.server.watch_cache.following
        return None if following else "the changes of the store are no longer followed"

    async def _wanted(self) -> str | None:
        return "process is shutting down" if self.server.stopping else None

    async def _synced(self) -> str | None:
        if not self._started:
            return "the objects of the first moment are not there yet"
        return await self._following()


def _custom(server: ApiServer) -> CustomResources | None:
    """Serves what users define, where the server has definitions."""
    served = (apiextensions.GROUP, "v1", apiextensions.PLURAL) in server.endpoints
    return CustomResources(server) if served else None


def _policies(server: ApiServer) -> policy_status.PolicyStatus | None:
    """Writes the status of policies, where the server has them."""
    return policy_status.PolicyStatus(server) if policy_status.KIND in server.endpoints else None


def _fairness(server: ApiServer) -> FairnessConfiguration | None:
    """Lets requests in fairly, where the server has the kinds that say how."""
    if not server.options.priority_and_fairness:
        options = server.options
        server.gate = InFlightGate(options.max_requests_in_flight, options.max_mutating_requests_in_flight)
        return None
    if not all((GROUP, "v1", kind) in server.endpoints for kind in ("flowschemas", "prioritylevelconfigurations")):
        return None
    fairness = FairnessConfiguration(server)
    server.gate = fairness.gate
    Dump(fairness.gate).register(server.routes)
    return fairness


def assemble(
    store: Store,
    *,
    kinds: Iterable[Resource] | None = None,
    authenticator: Authenticator | None = None,
    authorizer: Authorizer | None = None,
    impersonation: Impersonation | None = None,
    more_plugins: Sequence[Plugin] = (),
    clock: Clock | None = None,
    random: Random | None = None,
    options: ServerOptions | None = None,
) -> Assembled:
    """``more_plugins`` run after the built-in ones, but for those that come last. Raises ConfigurationError."""
    clock = clock or SystemClock()
    random = random or Random()
    server = ApiServer(
        store,
        _kinds(options or ServerOptions()) if kinds is None else kinds,
        authenticator=authenticator,
        authorizer=authorizer,
        impersonation=impersonation,
        clock=clock,
        random=random,
        options=options,
    )
    host = Host(
        reader=server.reader,
        random=random,
        clock=clock,
        authorizer=server.authorizer,
        registry=server.registry,
        resources=lambda: server.resources,
        webhooks=server.webhooks,
    )
    own = (PolicyAuthors.build(host), *more_plugins)
    server.admission.use(catalog.plugins(host, server.options.admission, own))
    health = Health()
    health.register(server.routes)
    _add_pod_subresources(server)
    parts = control_plane(server.store, server.options.components)
    ComponentStatuses(parts, server.clock).register(server.routes)
    return Assembled(server, health)


def _add_pod_subresources(server: ApiServer) -> None:
    pods = server.endpoints.get(("", "v1", "pods"))
    if pods is None:
        return
    budgets = server.endpoints.get(("policy", "v1", "poddisruptionbudgets"))
    Binder(pods.registry, server.clock).register(server.routes)
    Evictor(pods.registry, budgets.registry if budgets else None, server.clock).register(server.routes)


def _kinds(options: ServerOptions) -> tuple[Resource, ...]:
    """Raises InvalidRuntimeConfig."""
    features.turn_on(options.features)
    return resources.load((*resources.MODULES, *chosen_modules(options.runtime_config, options.features)))
