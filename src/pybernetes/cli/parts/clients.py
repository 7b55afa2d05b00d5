"""How the parts of a cluster reach its API server: over loopback, each with a certificate of its own."""

from __future__ import annotations

from pathlib import Path

from pybernetes.apiserver.auth.pki import KeyPair, Pki, client_context
from pybernetes.cli.layout import Layout, Settings
from pybernetes.client import Client, ConnectionSettings, HttpTransport


def client_as(pair: KeyPair, layout: Layout, settings: Settings, user_agent: str) -> Client:
    """A client that shows `pair`; with a kubeconfig in the settings, whatever that file says instead."""
    if settings.kubeconfig:
        return Client.from_kubeconfig(Path(settings.kubeconfig), user_agent=user_agent)
    tls = client_context(pair, Pki(layout.pki).ca_file)
    server = f"https://127.0.0.1:{settings.port}"
    return Client(HttpTransport(ConnectionSettings(server, tls=tls, user_agent=user_agent)))


async def close(client: Client) -> None:
    transport = client.transport
    if isinstance(transport, HttpTransport):
        await transport.close()
