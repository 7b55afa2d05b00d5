"""The port of a kubelet's server, and what it shows there."""

from __future__ import annotations

from pybernetes.apiserver.auth.pki import Pki, serving_context
from pybernetes.cli.layout import Settings
from pybernetes.cli.parts.nodes import serving_names
from pybernetes.kubelet.server import KubeletServer


async def start_server(server: KubeletServer, node: str, pki: Pki, settings: Settings) -> None:
    tls = serving_context(pki.kubelet_serving(node, serving_names(settings)[node]), pki.ca_file)
    await server.start(settings.bind, settings.kubelet_port, tls)
