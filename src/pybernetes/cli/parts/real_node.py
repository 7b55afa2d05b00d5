"""One node with real containers and its network: containerd, kubelet, service proxy and DNS.

The first node is the machine itself. A further one is started in a network namespace and under a host name of its own
(`inside`), and keeps its files apart; all of them see the same files, processes and devices.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import socket
from functools import partial
from pathlib import Path

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import former_nodes, network
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.cli.parts.kubelet_serving import start_server
from pybernetes.cli.parts.nodes import LocalNode, api_address, resolver_file
from pybernetes.cli.parts.runtime import containerd_of
from pybernetes.cli.problems import Problem
from pybernetes.kubelet.cgroups import path_of
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.containerd import Containerd, ContainerdFailure
from pybernetes.kubelet.image_recipes import MissingProgram, build, pause
from pybernetes.kubelet.images import ImageStore
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.logs import LogPlaces
from pybernetes.kubelet.machine import Machine, measure
from pybernetes.kubelet.resources import qos_of
from pybernetes.kubelet.runtime import RuntimeFailure
from pybernetes.kubelet.runtime.cri import CriRuntime
from pybernetes.kubelet.server import KubeletServer
from pybernetes.kubelet.server_reviews import ReviewedAccess
from pybernetes.kubelet.stats import Stats


async def run(layout: Layout, settings: Settings, local: LocalNode) -> None:
    if local.number > 1:
        take_name(local.name)
    own = layout.of_node(local.number)
    network.prepare(own, settings, local.pod_cidr)
    daemon = await _containerd(layout, settings, local.number)
    node = _configuration(layout, settings, local)
    clock = SystemClock()
    runtime = CriRuntime(daemon.configuration.socket)
    host = api_address(settings, local.number)
    kubelet_client = client_as(partial(Pki.node, name=local.name), layout, settings, "p8s-kubelet", host)
    network_client = client_as(Pki.admin, layout, settings, "p8s-network", host)
    kubelet = Kubelet(kubelet_client, runtime, node, clock, machine=_machine(node, local.number))
    places = LogPlaces(root=node.pod_logs, links=node.container_logs)
    stats = Stats(
        local.name,
        runtime,
        clock,
        pod_cgroup=lambda pod: path_of(node.cgroup_root, pod.metadata.uid, qos_of(pod)),
        directory=node.root,
        places=places,
    )
    access = ReviewedAccess(kubelet_client, local.name)
    server = KubeletServer(kubelet, runtime, clock, places=places, stats=stats, access=access)
    await start_server(server, local.name, Pki(layout.pki), settings)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(daemon.supervise(), name="containerd")
            tasks.create_task(network.run(network_client, settings, local), name="network")
            tasks.create_task(kubelet.run(), name="kubelet")
            tasks.create_task(stats.run(kubelet.pods), name="statistics")
            if local.number == 1:
                tasks.create_task(former_nodes.forget(network_client, settings), name="former nodes")
    finally:
        await server.stop()
        await runtime.close()
        await close(kubelet_client)
        await close(network_client)


async def _containerd(layout: Layout, settings: Settings, number: int) -> Containerd:
    """Running, with the image of the pods' sandbox and all that were built for the cluster.

    Nodes build the first each for itself, because they start at one time.
    """
    daemon = containerd_of(layout, settings, number)
    images = layout.of_node(number).images
    try:
        # Independent of each other, and each takes its time on a first start.
        await asyncio.gather(daemon.start(), asyncio.to_thread(lambda: build(pause(), images)))
        store = ImageStore(daemon, images)
        await store.ensure(["pause"])
        if number > 1:
            await store.catch_up(layout.images)
    except (ContainerdFailure, RuntimeFailure) as error:
        raise Problem("containerd does not work", str(error)) from error
    except MissingProgram as error:
        raise Problem("the image of the pods' sandbox cannot be built", str(error)) from error
    return daemon


def take_name(name: str) -> None:
    """Pods in the node's network see it as their host's. Only in a namespace of our own: never the machine's name."""
    if os.stat("/proc/self/ns/uts").st_ino == os.stat(f"/proc/{os.getppid()}/ns/uts").st_ino:
        raise Problem("a further node runs under the machine's host name", "start it with `p8s up`")
    socket.sethostname(name)


def _machine(node: NodeConfiguration, number: int) -> Machine:
    """Identities that differ from node to node, as those of machines do."""
    found = measure(node.root)
    if number == 1:
        return found
    own = hashlib.sha256(f"{found.machine_id}/{node.name}".encode()).hexdigest()
    return dataclasses.replace(found, machine_id=own[:32], system_uuid=own[:32])


def _configuration(layout: Layout, settings: Settings, local: LocalNode) -> NodeConfiguration:
    shared = NodeConfiguration(
        name=local.name,
        addresses=(local.address,),
        external_addresses=(local.external,) if local.external else (),
        hostname=local.name,
        root=Path(settings.kubelet_root),
        pod_logs=Path(settings.pod_logs),
        container_logs=Path(settings.container_logs),
        pod_links=Path(settings.pod_links) if settings.pod_links else None,
        log_links=Path(settings.log_links) if settings.log_links else None,
        pod_cidr=local.pod_cidr,
        cluster_dns=(settings.dns_address,),
        resolver_file=resolver_file(settings, local.number),
        port=settings.kubelet_port,
        cgroup_root=settings.cgroup_root,
    )
    if local.number == 1:
        return shared
    own = layout.of_node(local.number).root
    return dataclasses.replace(
        shared,
        root=own / "kubelet",
        pod_logs=own / "pod-logs",
        # Tools find all pods and logs of the machine in one place.
        pod_links=shared.pod_links or shared.paths.pods,
        log_links=shared.log_links or shared.pod_logs,
        cgroup_root=settings.cgroup_root_of(local.number),
    )
