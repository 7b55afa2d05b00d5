"""A node that joins a cluster elsewhere. Only a hollow one: real containers on a second machine are not built yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import client_context
from pybernetes.cli.parts.clients import close
from pybernetes.cli.parts.joining import Joining
from pybernetes.client import Client, ConnectionSettings, HttpTransport
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.runtime.hollow import HollowRuntime


@dataclass(frozen=True, slots=True)
class Agent:
    server: str
    token: str
    node: str
    authority: Path
    directory: Path

    async def run(self) -> None:
        by_token = self._client(token=self.token)
        try:
            pair = await Joining(self.server, self.node, self.directory / "pki").certificate(by_token)
        finally:
            await close(by_token)
        tls = client_context(pair, self.authority)
        client = Client(HttpTransport(ConnectionSettings(self.server, tls=tls, user_agent="p8s-agent")))
        try:
            await Kubelet(client, HollowRuntime(SystemClock(), name=self.node), self._node(), SystemClock()).run()
        finally:
            await close(client)

    def _client(self, token: str) -> Client:
        tls = client_context(None, self.authority)
        return Client(HttpTransport(ConnectionSettings(self.server, tls=tls, token=token, user_agent="p8s-agent")))

    def _node(self) -> NodeConfiguration:
        return NodeConfiguration(
            name=self.node,
            root=self.directory / "kubelet",
            pod_logs=self.directory / "pod-logs",
            container_logs=None,
            manage_cgroups=False,
            privileged_mounts=False,
        )
