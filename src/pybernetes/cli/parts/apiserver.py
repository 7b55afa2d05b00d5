"""The API server of a cluster: its store, its certificates, and the edge that listens.

Guarantees  Every certificate that any local part shows is issued, and DIR/kubeconfig written, before the port opens:
            the other processes only ever read them. The port opens only when the server is ready.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

from pybernetes import KUBERNETES_VERSION
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver import binding, component_statuses, metrics_api, start_hooks, zpages
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.aggregation.controller import Aggregation
from pybernetes.apiserver.aggregation.trust import Required, Trust
from pybernetes.apiserver.assembly import assemble
from pybernetes.apiserver.auth import kubeconfig, reviews
from pybernetes.apiserver.auth.access import Access, AccessOptions
from pybernetes.apiserver.auth.pki import KeyPair, Pki, client_context
from pybernetes.apiserver.describe import describe
from pybernetes.apiserver.identity_lease import IdentityLease
from pybernetes.apiserver.metrics_access import IdentityMetrics
from pybernetes.apiserver.metrics_encryption import encryption_metrics
from pybernetes.apiserver.metrics_storage import AggregationMetrics, StoreFile
from pybernetes.apiserver.options import ComponentPorts, ServerOptions
from pybernetes.apiserver.outdated_identities import OutdatedIdentities
from pybernetes.apiserver.proxy import install as proxies
from pybernetes.apiserver.serve import Edge, settle_process, tls_context, tune_process
from pybernetes.apiserver.shutdown import shut_down
from pybernetes.cli.admission import admission_options
from pybernetes.cli.auditing import auditing_of
from pybernetes.cli.encryption import sealed
from pybernetes.cli.flagz import flags_of
from pybernetes.cli.front_proxy import proxy_client, request_headers
from pybernetes.cli.identities import with_identities
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.nodes import advertised_address, machine_name, node_names
from pybernetes.cli.problems import Problem
from pybernetes.cli.scheduling import features_of
from pybernetes.cli.serving import certificate, how_it_ends, how_it_serves
from pybernetes.store.contract import Store
from pybernetes.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from pybernetes.apiserver.encryption.upkeep import Upkeep


async def run(layout: Layout, settings: Settings) -> None:
    tune_process()
    pki = Pki(layout.pki)
    serving = issue_all(layout, settings, pki)
    layout.database.parent.mkdir(parents=True, exist_ok=True)
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


async def _serve(
    layout: Layout, settings: Settings, pki: Pki, serving: KeyPair, store: Store, upkeep: Upkeep | None
) -> None:
    proxies_before = request_headers(settings, pki)
    given = AccessOptions(
        service_account_key=pki.service_account_key.read_bytes(),
        token_file=layout.tokens,
        issuer=settings.service_account_issuer,
        server_url=f"https://{settings.node_address}:{settings.port}",
        pki=pki,
        request_headers=proxies_before,
    )
    try:
        access = Access(store, with_identities(given, settings))
    except ConfigurationError as error:
        raise Problem(str(error), "docs/authentication.md tells what can be configured") from error
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
        assembled = assemble(
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
    auditing = auditing_of(settings, assembled.server.clock)
    if auditing is not None:
        assembled.server.auditor = auditing.auditor
        auditing.start()
    description = describe(
        assembled.server,
        address=f"{settings.node_address}:{settings.port}",
        version=KUBERNETES_VERSION,
        virtual=(*binding.SERVED, *component_statuses.SERVED, *reviews.SERVED, *metrics_api.SERVED),
    )
    access.register(assembled.server.routes, assembled.server.registry("", "v1", "serviceaccounts"))
    identity = IdentityLease(assembled.server, machine_name(), f"{settings.node_address}:{settings.port}")
    behind = proxies.install(assembled.server, client_context(pki.apiserver_kubelet_client(), pki.ca_file))
    tls = tls_context(serving.certificate, serving.key, pki.ca_file, proxies_before.client_ca)
    aggregation = Aggregation(assembled.server, description, proxy_client(settings, pki))
    aggregating = start_hooks.add_hook(assembled.health, start_hooks.AGGREGATION, lambda: aggregation.is_running)
    start_hooks.add_checks(assembled.health, ("autoregister-completion",), aggregating)
    trust = Trust(assembled.server, Required(pki.ca_file, proxies_before))
    known = start_hooks.add_hook(assembled.health, start_hooks.ROLES, lambda: access.is_running)
    trusted = start_hooks.add_hook(assembled.health, start_hooks.TRUST, lambda: trust.is_running)
    identified = start_hooks.add_hook(assembled.health, start_hooks.IDENTITY, lambda: identity.is_running)
    outdated = OutdatedIdentities(assembled.server)
    cleaned = start_hooks.add_hook(assembled.health, start_hooks.OUTDATED_IDENTITIES, lambda: outdated.is_running)
    edge = Edge(assembled.server, host=settings.bind, port=settings.port, tls=tls)
    for collector in (
        IdentityMetrics(access),
        StoreFile(layout.database),
        AggregationMetrics(aggregation.lost),
        *encryption_metrics(upkeep),
    ):
        edge.metrics.registry.register(collector)
    if upkeep is not None and upkeep.store.services:
        start_hooks.add_check(assembled.health.ready, start_hooks.KMS_PROVIDERS, upkeep.check)
    zpages.register(assembled.server.routes, assembled.server.clock, flags_of(settings))
    assembled.server.routes.exact("/metrics", edge.metrics.serve)
    await access.start()
    known.done()
    try:
        await assembled.start()
        await trust.start()
        trusted.done()
        await aggregation.start()
        aggregating.done()
        await identity.start()
        identified.done()
        await outdated.start()
        cleaned.done()
        await edge.start()
        settle_process()
        try:
            await asyncio.Event().wait()
        finally:
            await shut_down(assembled.server, edge, how_it_ends(settings))
            await outdated.stop()
            await identity.stop()
            await aggregation.stop()
            await trust.stop()
            await assembled.stop()
    finally:
        await behind.close()
        await access.close()
        if auditing is not None:
            await auditing.stop()


def issue_all(layout: Layout, settings: Settings, pki: Pki) -> KeyPair:
    """All certificates of this machine's parts; the API server's own is the answer."""
    first = str(ipaddress.ip_network(settings.first_service_cidr)[1])
    serving = pki.serving((settings.node_address, advertised_address(settings), first, machine_name()))
    for issue in (
        pki.controller_manager,
        pki.scheduler,
        pki.proxy,
        pki.apiserver_kubelet_client,
        pki.component_serving,
    ):
        issue()
    for name in node_names(settings):
        pki.node(name)
        pki.kubelet_serving(name, (settings.node_address, "127.0.0.1", "localhost"))
    document = kubeconfig.document(
        server=f"https://127.0.0.1:{settings.port}",
        authority=pki.ca_pem,
        credentials=kubeconfig.ClientCertificate.of(pki.admin()),
        cluster=settings.name,
    )
    kubeconfig.write(layout.kubeconfig, document)
    return serving
