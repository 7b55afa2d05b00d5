"""The API server of a cluster: its store, its certificates, and the edge that listens.

Guarantees  Every certificate that any local part shows is issued, and DIR/kubeconfig written, before the port opens:
            the other processes only ever read them. The port opens only when the server is ready.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from pybernetes import KUBERNETES_VERSION
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver import binding, component_statuses, metrics_api, start_hooks, zpages
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.aggregation.controller import Aggregation
from pybernetes.apiserver.aggregation.trust import Required, Trust
from pybernetes.apiserver.assembly import Assembled, assemble
from pybernetes.apiserver.auth import kubeconfig, reviews
from pybernetes.apiserver.auth.access import Access, AccessOptions
from pybernetes.apiserver.auth.pki import KeyPair, Pki, client_context
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.health import Health
from pybernetes.apiserver.identity_lease import IdentityLease
from pybernetes.apiserver.metrics_access import IdentityMetrics
from pybernetes.apiserver.metrics_encryption import encryption_metrics
from pybernetes.apiserver.metrics_storage import AggregationMetrics, StoreFile
from pybernetes.apiserver.options import ComponentPorts, ServerOptions
from pybernetes.apiserver.outdated_identities import OutdatedIdentities
from pybernetes.apiserver.proxy import install as proxies
from pybernetes.apiserver.serve import Edge, settle_process, tls_context, tune_process
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.shutdown import Manner, shut_down
from pybernetes.cli.admission import admission_options
from pybernetes.cli.auditing import auditing_of
from pybernetes.cli.encryption import sealed
from pybernetes.cli.flagz import flags_of
from pybernetes.cli.front_proxy import proxy_client, request_headers
from pybernetes.cli.identities import with_identities
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.nodes import advertised_address, local_nodes, machine_name, serving_names
from pybernetes.cli.problems import Problem
from pybernetes.cli.scheduling import features_of
from pybernetes.cli.serving import certificate, how_it_ends, how_it_serves
from pybernetes.store.contract import Store
from pybernetes.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.request_header import RequestHeaders
    from pybernetes.apiserver.encryption.upkeep import Upkeep


async def run(layout: Layout, settings: Settings) -> None:
    tune_process()
    pki = Pki(layout.pki)
    try:
        serving = issue_all(layout, settings, pki)
    except ValueError as error:
        raise Problem(
            f"a file in {layout.pki} cannot be read ({str(error).partition('. ')[0]})",
            "put it back, or remove that directory: new keys are made, and old kubeconfigs and tokens do not count",
        ) from error
    _keep_private(layout.database.parent)
    store = await SqliteStore.open(layout.database)
    try:
        seen, upkeep = await sealed(store, settings, SystemClock())
        if upkeep is not None:
            upkeep.start()
        try:
            await _serve(layout, settings, pki, certificate(settings, serving), seen, upkeep)
        finally:
            if upkeep is not None:
                await upkeep.stop()
    finally:
        await store.close()


def _keep_private(directory: Path) -> None:
    """Secrets lie in it as they are, unless they are encrypted at rest."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)


async def _serve(
    layout: Layout, settings: Settings, pki: Pki, serving: KeyPair, store: Store, upkeep: Upkeep | None
) -> None:
    proxies_before = request_headers(settings, pki)
    access = _access(layout, settings, pki, store, proxies_before)
    assembled = _assembled(settings, store, access)
    server, health = assembled.server, assembled.health
    auditing = auditing_of(settings, server.clock)
    if auditing is not None:
        server.auditor = auditing.auditor
        auditing.start()
    description = describe(
        server,
        address=f"{settings.node_address}:{settings.port}",
        version=KUBERNETES_VERSION,
        virtual=(*binding.SERVED, *component_statuses.SERVED, *reviews.SERVED),
    )
    metrics = metrics_api.Advertised(server.registry("", "v1", "nodes").cache, server.tell_of_served_change)
    description.discovery.follow("metrics", metrics.served)
    access.register(server.routes, server.registry("", "v1", "serviceaccounts"))
    behind = proxies.install(server, client_context(pki.apiserver_kubelet_client(), pki.ca_file))
    zpages.register(server.routes, server.clock, flags_of(settings))
    aggregation = Aggregation(server, description, proxy_client(settings, pki))
    known = start_hooks.add_hook(health, start_hooks.ROLES, lambda: access.is_running)
    kept = (
        _hooked(health, start_hooks.TRUST, Trust(server, Required(pki.ca_file, proxies_before))),
        _hooked(health, start_hooks.AGGREGATION, aggregation),
        _hooked(health, start_hooks.IDENTITY, _identity(server, settings)),
        _hooked(health, start_hooks.OUTDATED_IDENTITIES, OutdatedIdentities(server)),
    )
    start_hooks.add_checks(health, ("autoregister-completion",), kept[1].hook)
    if upkeep is not None and upkeep.store.services:
        start_hooks.add_check(health.ready, start_hooks.KMS_PROVIDERS, upkeep.check)
    tls = tls_context(serving.certificate, serving.key, pki.ca_file, proxies_before.client_ca)
    edge = Edge(server, host=settings.bind, port=settings.port, tls=tls)
    for collector in (
        IdentityMetrics(access),
        StoreFile(layout.database),
        AggregationMetrics(aggregation.lost),
        *encryption_metrics(upkeep),
    ):
        edge.metrics.registry.register(collector)
    await access.start()
    known.done()
    try:
        await _run(assembled, kept, metrics, edge, how_it_ends(settings))
    finally:
        await behind.close()
        await access.close()
        if auditing is not None:
            await auditing.stop()


async def _run(
    assembled: Assembled, kept: Sequence[_Kept], metrics: metrics_api.Advertised, edge: Edge, manner: Manner
) -> None:
    """Until the process is told to end."""
    await assembled.start()
    metrics.start()
    for one in kept:
        await one.part.start()
        one.hook.done()
    try:
        await edge.start()
    except OSError as error:
        raise Problem(f"the API server cannot listen ({error.strerror})", "choose --bind-address and --port") from error
    settle_process()
    try:
        await asyncio.Event().wait()
    finally:
        await shut_down(assembled.server, edge, manner)
        for one in reversed(kept):
            await one.part.stop()
        await assembled.stop()


class _Part(Protocol):
    """What an API server keeps in step beside answering requests."""

    @property
    def is_running(self) -> bool: ...

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class _Kept(NamedTuple):
    part: _Part
    hook: start_hooks.Hook


def _hooked(health: Health, names: Sequence[str], part: _Part) -> _Kept:
    return _Kept(part, start_hooks.add_hook(health, names, lambda: part.is_running))


def _identity(server: ApiServer, settings: Settings) -> IdentityLease:
    return IdentityLease(server, machine_name(), f"{settings.node_address}:{settings.port}")


def _access(layout: Layout, settings: Settings, pki: Pki, store: Store, proxies_before: RequestHeaders) -> Access:
    given = AccessOptions(
        service_account_key=pki.service_account_key.read_bytes(),
        token_file=layout.tokens,
        issuer=settings.service_account_issuer,
        server_url=f"https://{settings.node_address}:{settings.port}",
        pki=pki,
        request_headers=proxies_before,
    )
    try:
        return Access(store, with_identities(given, settings))
    except ConfigurationError as error:
        raise Problem(str(error), "docs/authentication.md tells what can be configured") from error


def _assembled(settings: Settings, store: Store, access: Access) -> Assembled:
    options = ServerOptions(
        service_cidr=settings.service_cidr,
        advertise_address=advertised_address(settings),
        port=settings.port,
        components=ComponentPorts(settings.controller_manager_port, settings.scheduler_port),
        admission=admission_options(settings),
        features=features_of(settings),
        runtime_config=settings.runtime_config,
        **how_it_serves(settings),
    )
    try:
        return assemble(
            store,
            authenticator=access.authenticator,
            authorizer=access.authorizer,
            impersonation=access.impersonation,
            more_plugins=access.plugins(),
            options=options,
        )
    except ConfigurationError as error:
        raise Problem(
            f"failed to apply admission: {error}", "docs/admission.md tells what can be configured"
        ) from error


def issue_all(layout: Layout, settings: Settings, pki: Pki) -> KeyPair:
    """All certificates of this machine's parts; the API server's own is the answer."""
    first = str(ipaddress.ip_network(settings.first_service_cidr)[1])
    nodes = [node.address for node in local_nodes(settings)[:1]]
    serving = pki.serving((settings.node_address, advertised_address(settings), first, machine_name(), *nodes))
    for issue in (
        pki.controller_manager,
        pki.scheduler,
        pki.proxy,
        pki.apiserver_kubelet_client,
        pki.component_serving,
    ):
        issue()
    for name, addresses in serving_names(settings).items():
        pki.node(name)
        pki.kubelet_serving(name, addresses)
    document = kubeconfig.document(
        server=f"https://127.0.0.1:{settings.port}",
        authority=pki.ca_pem,
        credentials=kubeconfig.ClientCertificate.of(pki.admin()),
        cluster=settings.name,
    )
    kubeconfig.write(layout.kubeconfig, document)
    return serving
