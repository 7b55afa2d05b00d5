"""Cluster: a whole control plane with hollow nodes, in one event loop with virtual time.

Guarantees
  The same store contract, API server, controllers, scheduler and kubelets as in a real cluster; only the disk, the
  sockets and the containers are missing. The same seed gives the same run.
  `settle` returns when everything that follows from what was done so far has happened.
  Leaving the block fails when a controller had a defect, when someone wrote to a shared object of an informer, or
  when a task was left behind.
Assumes  The running loop is a `VirtualLoop`: use the fixture `cluster`, or the marker `virtual_time`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from textwrap import dedent
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import yaml

from pybernetes.api import codec, kinds, meta
from pybernetes.api.errors import ApiError
from pybernetes.api.features import GENERIC_WORKLOAD, NONE, Features
from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, core_v1
from pybernetes.api.schema import shape_of
from pybernetes.client import Client, Informers, Transport, key_of
from pybernetes.client.mutation import MutationDetection
from pybernetes.controllers import CONTROLLERS, ControllerManager, select
from pybernetes.controllers.network_options import NetworkOptions
from pybernetes.kubelet.configuration import NodeConfiguration
from pybernetes.kubelet.hollow_nodes import HollowNodes, configurations
from pybernetes.kubelet.kubelet import Kubelet
from pybernetes.kubelet.local_volumes import LocalVolumes, PretendedDirectories, node_local_class
from pybernetes.kubelet.runtime.hollow import HollowRuntime
from pybernetes.scheduler.scheduler import Scheduler
from pybernetes.store.memory import MemoryStore
from pybernetes.testing.control_plane import direct_transport, start_server
from pybernetes.testing.loop import LoopClock, virtual_loop

T = TypeVar("T")

QUIET_SECONDS = 1.0
PATIENCE_SECONDS = 600.0
HEARTBEATS = ("/registry/leases/", "/registry/events/")


class NotSettled(AssertionError):
    """The cluster did not come to rest, or not to what was waited for."""


class LeakedTasks(AssertionError):
    def __init__(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        super().__init__("tasks were left behind: " + ", ".join(sorted(task.get_name() for task in tasks)))


@dataclass
class Options:
    """What a cluster is made of."""

    nodes: int = 1
    """Nodes with a kubelet each, over a hollow runtime."""

    simulated_nodes: int = 0
    """Further nodes that cost next to nothing: no kubelet, only what one would report."""

    controllers: Sequence[str] = ("*",)
    scheduler: bool = True
    network: NetworkOptions = NetworkOptions()
    """Ranges and addresses that controllers give out."""

    features: Features = NONE
    """What v1.36 leaves off and this cluster has on."""

    seed: int = 0
    detect_mutations: bool = True
    """Whether writes to shared objects are found; large clusters are quicker without."""

    transport: Callable[[Transport], Transport] = lambda transport: transport
    """What lies between the components and the API server: delays and faults, in tests of them."""

    capacity: dict[str, str] = field(
        default_factory=lambda: {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    )


class Cluster:
    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self.clock = LoopClock()
        self.store = MemoryStore()
        self.defects: list[Exception] = []
        self._random = Random(self.options.seed)
        self._changes = 0
        self._nodes: dict[int, asyncio.Task[None]] = {}
        self._runtimes: dict[str, HollowRuntime] = {}

    async def __aenter__(self) -> Self:
        self._loop = virtual_loop()
        self._tasks_before = asyncio.all_tasks()
        self.control_plane = await start_server(self.store, self.clock, self._random, self.options.features)
        self.server = self.control_plane.server
        self.detection = MutationDetection() if self.options.detect_mutations else None
        self.client = Client(direct_transport(self.server))
        components = Client(self.options.transport(self.client.transport), detection=self.detection)
        self._components = components
        self.informers = Informers(components, self._random)
        self.manager = ControllerManager(
            components,
            self.clock,
            self._random,
            select(CONTROLLERS, (*self.options.controllers, *self._controllers_of_features())),
            informers=self.informers,
            report_defect=lambda controller, key, error: self.defects.append(error),
            root_ca="hollow",
            network=self.options.network,
        )
        await self.client.create(node_local_class())
        self._running = asyncio.create_task(self._run(), name="cluster")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.cancel()
        try:
            await self._running
        except asyncio.CancelledError:
            pass
        await self.control_plane.stop()
        await self.store.close()
        await self._loop.idle()
        left = [task for task in asyncio.all_tasks() - self._tasks_before if task is not asyncio.current_task()]
        if kind is not None:
            return
        self._check()
        self._check_shared_objects()
        if left:
            raise LeakedTasks(left)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._count_changes(), name="changes")
            tasks.create_task(self.informers.run(), name="informers")
            tasks.create_task(self.manager.run(), name="controllers")
            if self.options.scheduler:
                scheduler = Scheduler(self._components, self.clock, self._random, features=self.options.features)
                tasks.create_task(scheduler.run(), name="scheduler")
            tasks.create_task(self._local_volumes().run(), name="local volumes")
            self._tasks = tasks
            for number in range(self.options.nodes):
                self.add_node(number)
            if self.options.simulated_nodes:
                tasks.create_task(self._simulated_nodes().run(), name="simulated nodes")

    def _controllers_of_features(self) -> tuple[str, ...]:
        return ("podgroup-protection-controller",) if GENERIC_WORKLOAD in self.options.features else ()

    def _local_volumes(self) -> LocalVolumes:
        return LocalVolumes(
            self._components,
            Path("/volumes"),
            PretendedDirectories(),
            lambda node: True,
            self.clock,
            self._random,
            informers=self.informers,
        )

    def add_node(self, number: int) -> None:
        """Starts the kubelet of `node-<number>`."""
        kubelet = self._kubelet(f"node-{number}", number)
        self._nodes[number] = self._tasks.create_task(kubelet.run(), name=f"kubelet:{number}")

    async def kill_node(self, number: int) -> None:
        """Ends a kubelet without a word to anyone: the node falls silent, its containers with it."""
        task = self._nodes.pop(number)
        task.cancel()
        await asyncio.wait([task])

    async def end(self, pod: core_v1.Pod, exit_code: int = 0, *, container: int = 0) -> None:
        """Lets a running container of a pod end, as if its program had; not for pods of simulated nodes."""
        runtime = self._runtimes[pod.spec.node_name]
        identifier = pod.status.container_statuses[container].container_id.rpartition("/")[2]
        runtime.kill(identifier, exit_code=exit_code, reason="Error" if exit_code else "Completed")
        await self.settle()

    def _kubelet(self, name: str, number: int) -> Kubelet:
        cidr = f"10.244.{number}.0/24"
        configuration = NodeConfiguration(
            name=name,
            capacity=self.options.capacity,
            pod_cidr=cidr,
            manage_cgroups=False,
            privileged_mounts=False,
        )
        runtime = self._runtimes[name] = HollowRuntime(self.clock, name=name, pod_cidr=cidr)
        return Kubelet(self._components, runtime, configuration, self.clock, self._random)

    def _simulated_nodes(self) -> HollowNodes:
        template = NodeConfiguration(name="simulated", capacity=self.options.capacity)
        nodes = configurations(self.options.simulated_nodes, template, prefix="simulated-")
        return HollowNodes(self._components, nodes, self.clock, self._random, informers=self.informers)

    async def _count_changes(self) -> None:
        async with self.store.watch("/registry/", after=self.store.revision) as watch:
            async for batch in watch:
                self._changes += sum(not change.entry.key.startswith(HEARTBEATS) for change in batch)

    async def settle(self, *, quiet: float = QUIET_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        """Returns when all queues are idle and nothing has changed for `quiet` seconds of virtual time.

        Heartbeats and events do not count as changes.
        """
        began = since = self._loop.time()
        seen = -1
        while True:
            await self._loop.idle()
            self._check()
            if self._changes != seen:
                seen, since = self._changes, self._loop.time()
            timer = self._loop.next_timer()
            if (timer is None or timer > since + quiet) and self.manager.idle:
                self._check_shared_objects()
                return
            if timer is None or timer - began > patience:
                raise NotSettled(f"things still change after {patience:.0f} seconds")
            await asyncio.sleep(timer - self._loop.time())

    async def apply(self, value: T) -> T:
        """Creates an object, or makes the one of its name read like it."""
        try:
            return await self.client.create(value)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
        key = key_of(value)
        present: Any = await self.client.get(type(value), key.name, key.namespace)
        wanted: Any = value
        metadata = msgspec.structs.replace(wanted.metadata, resource_version=present.metadata.resource_version)
        return await self.client.update(msgspec.structs.replace(wanted, metadata=metadata))

    async def apply_yaml(self, text: str) -> list[Any]:
        """Applies each document of a manifest (which may be indented), in order, as the model of its kind."""
        documents = [document for document in yaml.safe_load_all(dedent(text)) if document]
        return [await self.apply(_model_of(document)) for document in documents]

    async def delete(self, value: Any, *, grace_period: int | None = None, propagation: str | None = None) -> None:
        key = key_of(value)
        await self.client.delete(
            type(value), key.name, key.namespace, grace_period=grace_period, propagation=propagation
        )

    async def get(self, value: T) -> T:
        """The object as it is now."""
        key = key_of(value)
        return await self.client.get(type(value), key.name, key.namespace)

    async def pods_of(self, owner: meta.Object, *, ready: int | None = None) -> list[core_v1.Pod]:
        """The pods under an object, through its ReplicaSets too; with `ready`, once exactly so many are."""
        began = self._loop.time()
        while True:
            await self._loop.idle()
            self._check()
            pods = await self._pods_under(owner)
            if ready is None:
                return pods
            live = [pod for pod in pods if pod.metadata.deletion_timestamp is None]
            if sum(meta.is_true(pod.status, "Ready") for pod in live) == ready == len(live):
                return live
            timer = self._loop.next_timer()
            if timer is None or timer - began > PATIENCE_SECONDS:
                raise NotSettled(f"no {ready} ready pods of {owner.metadata.name}: {_described(pods)}")
            await asyncio.sleep(timer - self._loop.time())

    async def _pods_under(self, owner: meta.Object) -> list[core_v1.Pod]:
        namespace = owner.metadata.namespace
        owners = {owner.metadata.uid}
        for replica_set in (await self.client.list(apps_v1.ReplicaSet, namespace)).items:
            if meta.is_controlled_by(replica_set, owner):
                owners.add(replica_set.metadata.uid)
        pods = (await self.client.list(core_v1.Pod, namespace)).items
        return [pod for pod in pods if (reference := meta.controller_of(pod)) is not None and reference.uid in owners]

    def _check(self) -> None:
        if self._running.done() and not self._running.cancelled():
            self._running.result()
        if self.defects:
            raise ExceptionGroup("defects in controllers", self.defects)

    def _check_shared_objects(self) -> None:
        if self.detection is not None:
            self.detection.check()


def _model_of(document: dict[str, Any]) -> Any:
    """As the API server reads what people write: `cpu: 1` is an amount, too."""
    info = kinds.by_api_version(document["apiVersion"], document["kind"])
    if info.namespaced:
        document = {**document, "metadata": {"namespace": "default", **document["metadata"]}}
    shape = shape_of(info.group, info.version, info.kind)
    return codec.from_document(info.model, shape.read(document).document)


def _described(pods: Sequence[core_v1.Pod]) -> str:
    return ", ".join(f"{Key(pod.metadata.namespace, pod.metadata.name)} {pod.status.phase}" for pod in pods) or "none"
