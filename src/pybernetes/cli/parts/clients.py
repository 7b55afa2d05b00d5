"""How the parts of a cluster reach its API server: over loopback, each with a certificate of its own."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

from pybernetes.apiserver.auth.pki import KeyPair, Pki, client_context
from pybernetes.cli.layout import Layout, Settings
from pybernetes.client import Client, ConnectionSettings, HttpTransport, kubeconfig


def client_as(
    issue: Callable[[Pki], KeyPair], layout: Layout, settings: Settings, user_agent: str, host: str = "127.0.0.1"
) -> Client:
    """A client that shows what `issue` gives; with a kubeconfig in the settings, whatever that file says instead."""
    if settings.kubeconfig:
        return Client.from_kubeconfig(Path(settings.kubeconfig), user_agent=user_agent)
    pki = Pki(layout.pki)
    tls = client_context(issue(pki), pki.ca_file)
    server = f"https://{host}:{settings.port}"
    return Client(HttpTransport(ConnectionSettings(server, tls=tls, user_agent=user_agent)))


def anonymous(layout: Layout, settings: Settings, user_agent: str) -> HttpTransport:
    """The way to the same server, showing nobody."""
    if settings.kubeconfig:
        return HttpTransport(kubeconfig.load_anonymous(Path(settings.kubeconfig), user_agent=user_agent))
    tls = client_context(None, Pki(layout.pki).ca_file)
    return HttpTransport(ConnectionSettings(f"https://127.0.0.1:{settings.port}", tls=tls, user_agent=user_agent))


def authority(layout: Layout, settings: Settings) -> str:
    """The certificate (PEM) by which the API server is trusted; "" if the kubeconfig names none."""
    if settings.root_ca_file:
        return Path(settings.root_ca_file).read_text()
    if not settings.kubeconfig:
        return Pki(layout.pki).ca_pem.decode()
    import yaml

    document = yaml.safe_load(Path(settings.kubeconfig).read_text())
    clusters = document.get("clusters") or ()
    cluster: dict[str, str] = next((one["cluster"] for one in clusters), {})
    if cluster.get("certificate-authority"):
        return Path(settings.kubeconfig).parent.joinpath(cluster["certificate-authority"]).read_text()
    return base64.b64decode(cluster.get("certificate-authority-data", "")).decode()


async def close(client: Client) -> None:
    transport = client.transport
    if isinstance(transport, HttpTransport):
        await transport.close()
