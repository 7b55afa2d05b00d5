"""The nodes of this machine: one with real containers and its network, or any number of hollow ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import structlog

from pybernetes.api.clock import SystemClock
from pybernetes.api.models.core_v1 import Pod
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import local_volumes
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.cli.parts.nodes import FEW_NODES, node_names, pod_cidr_of
from pybernetes.cli.problems import Problem
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.server import KubeletServer

log = structlog.get_logger("node")


async def run(layout: Layout, settings: Settings) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(local_volumes.run(layout, settings), name="local volumes")
        run_nodes = _run_hollow if settings.runtime == "hollow" else _run_real
        tasks.create_task(run_nodes(layout, settings), name="nodes")


async def _run_real(layout: Layout, settings: Settings) -> None:
    from pybernetes.cli.parts import network
    from pybernetes.cli.parts.runtime import containerd_of
    from pybernetes.kubelet.cgroups import path_of
    from pybernetes.kubelet.containerd import ContainerdFailure
    from pybernetes.kubelet.image_recipes import MissingProgram, build, pause
    from pybernetes.kubelet.images import ImageStore
    from pybernetes.kubelet.logs import LogPlaces
    from pybernetes.kubelet.resources import qos_of
    from pybernetes.kubelet.runtime import RuntimeFailure
    from pybernetes.kubelet.runtime.cri import CriRuntime
    from pybernetes.kubelet.server_reviews import ReviewedAccess
    from pybernetes.kubelet.stats import Stats

    (name,) = node_names(settings)
    pki = Pki(layout.pki)
    pod_cidr = pod_cidr_of(settings, 0)
    network.prepare(layout, settings, pod_cidr)
    daemon = containerd_of(layout, settings)
    try:
        # Independent of each other, and each takes its time on a first start.
        await asyncio.gather(daemon.start(), asyncio.to_thread(lambda: build(pause(), layout.images)))
        await ImageStore(daemon, layout.images).ensure(["pause"])
    except (ContainerdFailure, RuntimeFailure) as error:
        raise Problem("containerd does not work", str(error)) from error
    except MissingProgram as error:
        raise Problem("the image of the pods' sandbox cannot be built", str(error)) from error
    node = _real_node(name, settings, pod_cidr)
    runtime = CriRuntime(daemon.configuration.socket)
    kubelet_client = client_as(partial(Pki.node, name=name), layout, settings, "p8s-kubelet")
    network_client = client_as(Pki.admin, layout, settings, "p8s-network")
    kubelet = Kubelet(kubelet_client, runtime, node, SystemClock())
    places = LogPlaces(root=node.pod_logs, links=node.container_logs)
    stats = Stats(
        name,
        runtime,
        SystemClock(),
        pod_cgroup=lambda pod: path_of(node.cgroup_root, pod.metadata.uid, qos_of(pod)),
        directory=node.root,
        places=places,
    )
    access = ReviewedAccess(kubelet_client, name)
    server = KubeletServer(kubelet, runtime, SystemClock(), places=places, stats=stats, access=access)
    await _start_server(server, name, pki, settings)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.supervise(), name="containerd")
            tasks.create_task(network.run(network_client, settings, name, pod_cidr), name="network")
            tasks.create_task(kubelet.run(), name="kubelet")
            tasks.create_task(stats.run(kubelet.pods), name="statistics")
    finally:
        await server.stop()
        await runtime.close()
        await close(kubelet_client)
        await close(network_client)


def _real_node(name: str, settings: Settings, pod_cidr: str) -> NodeConfiguration:
    return NodeConfiguration(
        name=name,
        addresses=(settings.node_address,),
        hostname=name,
        root=Path(settings.kubelet_root),
        pod_logs=Path(settings.pod_logs),
        container_logs=Path(settings.container_logs),
        pod_links=Path(settings.pod_links) if settings.pod_links else None,
        log_links=Path(settings.log_links) if settings.log_links else None,
        pod_cidr=pod_cidr,
        cluster_dns=(settings.dns_address,),
        resolver_file=Path(settings.resolv_conf),
        port=settings.kubelet_port,
        cgroup_root=settings.cgroup_root,
    )


async def _start_server(server: KubeletServer, name: str, pki: Pki, settings: Settings) -> None:
    from pybernetes.apiserver.auth.pki import serving_context

    addresses = (settings.node_address, "127.0.0.1", "localhost")
    tls = serving_context(pki.kubelet_serving(name, addresses), pki.ca_file)
    await server.start(settings.bind, settings.kubelet_port, tls)


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
        await _start_server(server, node_names(settings)[0], pki, settings)


class _PodsOf:
    """The pods of several kubelets."""

    def __init__(self, kubelets: Sequence[Kubelet]) -> None:
        self._kubelets = kubelets

    def pods(self) -> Sequence[Pod]:
        return [pod for kubelet in self._kubelets for pod in kubelet.pods()]

    def pod(self, namespace: str, name: str) -> Pod | None:
        found = (kubelet.pod(namespace, name) for kubelet in self._kubelets)
        return next((pod for pod in found if pod is not None), None)
