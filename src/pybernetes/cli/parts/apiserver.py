"""The API server of a cluster: its store, its certificates, and the edge that listens.

Guarantees  Every certificate that any local part shows is issued, and DIR/kubeconfig written, before the port opens: the
            other processes only ever read them.
"""

from __future__ import annotations

import asyncio

from pybernetes.apiserver.auth import kubeconfig
from pybernetes.apiserver.auth.access import Access, AccessOptions
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.apiserver.options import ServerOptions
from pybernetes.apiserver.serve import Edge, tls_context
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.nodes import node_names
from pybernetes.store.sqlite import SqliteStore


async def run(layout: Layout, settings: Settings) -> None:
    pki = issue_all(layout, settings)
    layout.database.parent.mkdir(parents=True, exist_ok=True)
    store = await SqliteStore.open(layout.database)
    try:
        await _serve(layout, settings, pki, store)
    finally:
        await store.close()


def issue_all(layout: Layout, settings: Settings) -> Pki:
    import ipaddress

    pki = Pki(layout.pki)
    first = str(ipaddress.ip_network(settings.service_cidr)[1])
    pki.serving((settings.node_address, first))
    for issue in (pki.controller_manager, pki.scheduler, pki.proxy, pki.apiserver_kubelet_client):
        issue()
    for name in node_names(settings):
        pki.node(name)
        pki.kubelet_serving(name, (settings.node_address, "127.0.0.1", "localhost"))
    write_kubeconfig(layout, settings, pki)
    return pki


def write_kubeconfig(layout: Layout, settings: Settings, pki: Pki) -> None:
    document = kubeconfig.document(
        server=f"https://127.0.0.1:{settings.port}",
        authority=pki.ca_pem,
        credentials=kubeconfig.ClientCertificate.of(pki.admin()),
        cluster=settings.name,
    )
    kubeconfig.write(layout.kubeconfig, document)
