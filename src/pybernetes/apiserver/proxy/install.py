"""Adds the proxies and the metrics API to a server.

`Proxies.close` ends the connections that are kept to kubelets; the server's routes must not be used after it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from pybernetes.apiserver.metrics_api import MetricsApi
from pybernetes.apiserver.proxy.backend import Backend
from pybernetes.apiserver.proxy.connecting import Connections
from pybernetes.apiserver.proxy.pods import PodStreams
from pybernetes.apiserver.proxy.reverse import ReverseProxy, is_proxyable
from pybernetes.apiserver.server import ApiServer


@dataclass(frozen=True, slots=True)
class Proxies:
    kubelets: Backend
    workloads: Backend

    async def close(self) -> None:
        await self.kubelets.close()
        await self.workloads.close()


def install(server: ApiServer, kubelet_tls: ssl.SSLContext, may_dial: Callable[[str], bool] = is_proxyable) -> Proxies:
    """`kubelet_tls` shows the API server's client certificate and trusts the kubelets' authority.

    `may_dial` says which addresses pods, services and nodes' other ports are proxied to.
    """
    proxies = Proxies(Backend(kubelet_tls), Backend(_unchecked()))
    connections = Connections(server)
    PodStreams(server.reader, proxies.kubelets, connections.admit).register(server.routes)
    reverse = ReverseProxy(
        server.reader, proxies.kubelets, proxies.workloads, server.random, may_dial, connections.admit
    )
    reverse.register(server.routes)
    MetricsApi(server.reader, proxies.kubelets, server.clock).register(server.routes)
    return proxies


def _unchecked() -> ssl.SSLContext:
    """For pods and services that speak TLS: their certificates are their own business, as upstream has it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
