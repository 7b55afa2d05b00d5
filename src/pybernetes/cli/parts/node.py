"""The nodes of this machine: one with real containers, or any number of hollow ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pybernetes.api.clock import SystemClock
from pybernetes.api.models.core_v1 import Pod
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import local_volumes
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.cli.parts.kubelet_serving import start_server
from pybernetes.cli.parts.nodes import FEW_NODES, local_nodes, node_names, pod_cidr_of
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.server import KubeletServer


async def run(layout: Layout, settings: Settings, number: int = 1) -> None:
    """Further nodes with real containers have a process each; hollow ones are all in the first."""
    async with asyncio.TaskGroup() as tasks:
        if number == 1:
            tasks.create_task(local_volumes.run(layout, settings), name="local volumes")
        tasks.create_task(_run_nodes(layout, settings, number), name="nodes")


async def _run_nodes(layout: Layout, settings: Settings, number: int) -> None:
    if settings.runtime == "hollow":
        await _run_hollow(layout, settings)
    else:
        from pybernetes.cli.parts import real_node

        await real_node.run(layout, settings, local_nodes(settings)[number - 1])


async def _run_hollow(layout: Layout, settings: Settings) -> None:
    if settings.nodes > FEW_NODES:
        await _run_many_hollow(layout, settings)
    else:
        await _run_few_hollow(layout, settings)


async def _run_many_hollow(layout: Layout, settings: Settings) -> None:
    """One client and one event loop for all of them, instead of a kubelet each."""
    from pybernetes.kubelet.hollow_nodes import HollowNodes, configurations

    template = NodeConfiguration("node", container_logs=None, manage_cgroups=False, privileged_mounts=False)
    client = client_as(Pki.admin, layout, settings, "p8s-hollow-nodes")
    try:
        await HollowNodes(client, configurations(settings.nodes, template)).run()
    finally:
        await close(client)


async def _run_few_hollow(layout: Layout, settings: Settings) -> None:
    from pybernetes.kubelet.runtime.hollow import HollowRuntime

    pki = Pki(layout.pki)
    clock = SystemClock()
    kubelets: list[Kubelet] = []
    async with asyncio.TaskGroup() as tasks:
        for index, name in enumerate(node_names(settings)):
            pod_cidr = pod_cidr_of(settings, index)
            node = NodeConfiguration(
                name=name,
                addresses=(settings.node_address,),
                root=Path(settings.kubelet_root) / name,
                pod_logs=Path(settings.pod_logs) / name,
                container_logs=None,
                pod_cidr=pod_cidr,
                cluster_dns=(settings.dns_address,),
                port=settings.kubelet_port,
                manage_cgroups=False,
                privileged_mounts=False,
            )
            runtime = HollowRuntime(clock, name=name, pod_cidr=pod_cidr)
            client = client_as(partial(Pki.node, name=name), layout, settings, "p8s-kubelet")
            kubelet = Kubelet(client, runtime, node, clock)
            kubelets.append(kubelet)
            tasks.create_task(kubelet.run(), name=f"kubelet {name}")
        # One server answers for all of them: they share an address, and none has anything to show.
        server = KubeletServer(_PodsOf(kubelets), HollowRuntime(clock), clock)
        await start_server(server, node_names(settings)[0], pki, settings)


class _PodsOf:
    """The pods of several kubelets."""

    def __init__(self, kubelets: Sequence[Kubelet]) -> None:
        self._kubelets = kubelets

    def pods(self) -> Sequence[Pod]:
        return [pod for kubelet in self._kubelets for pod in kubelet.pods()]

    def pod(self, namespace: str, name: str) -> Pod | None:
        found = (kubelet.pod(namespace, name) for kubelet in self._kubelets)
        return next((pod for pod in found if pod is not None), None)
