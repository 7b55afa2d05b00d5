"""The kubelet: makes the pods bound to its node run, and keeps the API told.

Guarantees  Every container that runs is a pod's of this node, or is stopped. Nothing is stopped before the API
            server has said once which pods belong here, and nothing that runs as declared is ever restarted,
            whoever started it.
Assumes     One kubelet per runtime and per node name.
Follows     pkg/kubelet/kubelet.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import msgspec
import structlog

from pybernetes.api import quantity
from pybernetes.api.clock import Clock, SystemClock
from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Pod, Service
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.client import Client, Informers, Unreachable
from pybernetes.client.events import EventBroadcaster, Reference

from . import admission, eviction, image_manager, image_volumes, killing, machine, node_status, removal, resources
from .cgroups import CgroupFailure, Cgroups
from .claims import ClusterClaims
from .conditions import TERMINAL
from .configuration import NodeConfiguration
from .host import Host
from .image_gc import ImageCollector
from .image_manager import ImageManager
from .logs import LogPlaces, LogRotator
from .machine import Machine
from .node_agent import NodeAgent
from .node_status import Readings
from .objects import ClusterObjects
from .observed import ObservedPod
from .pleg import Pleg
from .pod_states import State
from .pod_worker import PodWorker
from .reporting import EVICTED
from .resources import Qos
from .runtime import Runtime, RuntimeFailure
from .status_context import Reason
from .status_manager import StatusManager
from .tokens import ServiceAccountTokens
from .volumes import VolumeError
from .volumes.manager import Volumes
from .volumes.mounter import Mounter, PlainDirectories, SystemMounter

log = structlog.get_logger(__name__)

DEFECT_PAUSE = 10.0
RELIST_WHEN_TOLD = 10
"""A runtime that tells of changes is listed so many times less often."""


class Kubelet:
    """`await run()` until cancelled; containers outlive it."""

    def __init__(
        self,
        client: Client,
        runtime: Runtime,
        node: NodeConfiguration,
        clock: Clock | None = None,
        random: Random | None = None,
        *,
        machine: Machine | None = None,
        mounter: Mounter | None = None,
    ) -> None:
        self.node = node
        self.runtime = runtime
        self._client = client
        self._clock = clock or SystemClock()
        self._random = random or Random()
        self._machine = machine
        self._mounter: Mounter = mounter or (
            SystemMounter() if node.privileged_mounts and runtime.runs_processes else PlainDirectories()
        )
        self._workers: dict[str, PodWorker] = {}
        self._tasks: asyncio.TaskGroup | None = None
        high = node.image_gc_high_percent
        self._collector = (
            None if high is None else ImageCollector(runtime, self._clock, high, node.image_gc_low_percent)
        )
        self._pods_known = asyncio.Event()

    async def run(self) -> None:
        host = self._host = await self._build()
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            try:
                group.create_task(self._informers.run(), name="informers")
                group.create_task(self._broadcaster.run(), name="events")
                group.create_task(host.pleg.run(), name="pleg")
                group.create_task(host.statuses.run(), name="pod statuses")
                group.create_task(self._agent.run(), name="node")
                group.create_task(self._watch_pods(), name="pods")
                group.create_task(self._housekeep(), name="housekeeping")
                if self.runtime.runs_processes:
                    group.create_task(self._evict(), name="eviction")
                    group.create_task(LogRotator(self.runtime, host.logs, self._clock).run(), name="log rotation")
                await asyncio.Event().wait()
            finally:
                self._tasks = None
                host.objects.close()

    async def _build(self) -> Host:
        node, runtime, client, clock, random = self.node, self.runtime, self._client, self._clock, self._random
        found = self._machine or (machine.measure(node.root) if runtime.runs_processes else machine.HOLLOW)
        self._machine = found
        capacity = node_status.capacity_of(node, found)
        self._informers = Informers(client, random)
        self._broadcaster = EventBroadcaster(client, clock, random)
        self._services = self._informers.get(Service)
        self._pods = self._informers.get(Pod, field_selector=f"spec.nodeName={node.name}")
        objects = ClusterObjects(client, random, self._objects_changed)
        host = Host(
            client=client,
            runtime=runtime,
            node=node,
            clock=clock,
            random=random,
            pleg=Pleg(runtime, clock, node.relist_period, self._wake),
            statuses=StatusManager(client),
            recorder=self._broadcaster.recorder("kubelet", node.name),
            images=ImageManager(runtime, objects, clock),
            objects=objects,
            tokens=ServiceAccountTokens(client, clock, random),
            claims=ClusterClaims(client),
            mounter=self._mounter,
            volumes=Volumes(node.paths, self._mounter),
            logs=LogPlaces(node.pod_logs, node.container_logs, node.log_links),
            cgroups=Cgroups(node.cgroup_root) if node.manage_cgroups and runtime.runs_processes else None,
            services=lambda: self._services.list(),
            allocatable=node_status.allocatable_of(capacity, node.reserved),
            node_memory=quantity.value(capacity["memory"]),
        )
        self._agent = NodeAgent(client, node, found, clock, random, self._read, self._say_of_node)
        if runtime.runs_processes:
            node.paths.pods.mkdir(mode=0o750, parents=True, exist_ok=True)
        if host.cgroups is not None:
            allocatable = host.allocatable
            host.cgroups.set_up(quantity.milli(allocatable["cpu"]), quantity.value(allocatable["memory"]))
        if runtime.on_change(self._runtime_changed):
            host.pleg.period = node.relist_period * RELIST_WHEN_TOLD
        return host

    # ---- pods

    async def _watch_pods(self) -> None:
        """Pods wait until the runtime has been heard and services are known: their containers are made from both."""
        await self._services.synced()
        await self._host.pleg.listed.wait()
        version = await self.runtime.version()
        self._host.runtime_name = version.name
        self._host.runtime_status = await self.runtime.status()
        self._pods.on_change(self._pod_changed)
        await self._pods.synced()
        self._pods_known.set()

    def _pod_changed(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            worker = self._workers.get(old.metadata.uid)
            if worker is not None:
                worker.remove()
        if new is None or self._tasks is None:
            return
        worker = self._workers.get(new.metadata.uid)
        if worker is not None:
            worker.update(new)
        else:
            self._add(new)

    def _add(self, pod: Pod) -> None:
        refusal = self._refusal(pod)
        in_doubt = refusal is not None and refusal.reason == admission.NODE_AFFINITY
        if refusal is not None and not in_doubt:
            self._host.recorder.event(pod, "Warning", refusal.reason, refusal.message)
        worker = PodWorker(self._host, pod, None if in_doubt else refusal, self._resize_refusal)
        self._workers[pod.metadata.uid] = worker
        assert self._tasks is not None
        label = f"pod {pod.metadata.namespace}/{pod.metadata.name}"
        self._tasks.create_task(self._judge_again(worker) if in_doubt else self._work(worker), name=label)

    async def _judge_again(self, worker: PodWorker) -> None:
        """The node may have got the labels that the pod asks for since we last saw them."""
        try:
            await self._agent.look()
        except (ApiError, Unreachable) as error:
            log.warning("could not read the node", node=self.node.name, error=str(error))
        refusal = self._refusal(worker.pod)
        if refusal is not None:
            worker.evict(refusal)
        await self._work(worker)

    def _refusal(self, pod: Pod) -> Reason | None:
        runs_here = bool(self._host.pleg.get(pod.metadata.uid).containers)
        if runs_here or pod.status.phase in (*TERMINAL, "Running") or pod.metadata.deletion_timestamp is not None:
            return None
        uid = pod.metadata.uid
        others = [w.pod for w in self._workers.values() if w.state is State.SYNCING and w.uid != uid]
        assert self._machine is not None
        labels = self._agent.current.metadata.labels if self._agent.current is not None else {}
        own = node_status.labels_of(self.node, self._machine)
        return admission.refusal(
            pod,
            others,
            self._host.allocatable,
            {**own, **labels},
            self.node.allowed_unsafe_sysctls,
            strict_groups=bool(self._host.runtime_status.strict_groups),
        )

    def _resize_refusal(self, pod: Pod) -> Reason | None:
        others = [w.pod for w in self._workers.values() if w.state is State.SYNCING and w.uid != pod.metadata.uid]
        return admission.resize_refusal(pod, others, self._host.allocatable)

    async def _work(self, worker: PodWorker) -> None:
        """A defect that one pod brings to light is reported and does not stop the node's other pods."""
        try:
            while worker.state is not State.GONE:
                try:
                    await worker.run()
                except Exception:
                    log.exception("defect in a pod worker", pod=worker.pod.metadata.name, uid=worker.uid)
                    await asyncio.sleep(DEFECT_PAUSE)
        finally:
            self._workers.pop(worker.uid, None)

    def _wake(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()

    def _objects_changed(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.refresh_volumes()

    def _runtime_changed(self, uid: str) -> None:
        if self._tasks is not None:
            self._tasks.create_task(self._refresh(uid))

    async def _refresh(self, uid: str) -> None:
        try:
            await self._host.pleg.refresh(uid)
        except RuntimeFailure as error:
            log.warning("could not look at a pod", uid=uid, error=str(error))
        self._wake(uid)

    # ---- the node's own state

    def _say_of_node(self, reason: str, message: str) -> None:
        about = Reference("v1", "Node", "", self.node.name, self.node.name)
        self._host.recorder.event(about, "Normal", reason, message)

    async def _read(self) -> Readings:
        """What the node's status says about the runtime; a runtime that does not answer makes the node not ready."""
        try:
            version = await self.runtime.version()
            status = await self.runtime.status()
            images = image_manager.names_of(await self.runtime.list_images())
        except RuntimeFailure as error:
            return Readings(problem=f"container runtime is down: {error.message}")
        self._host.runtime_status = status
        problems = []
        if status.runtime_problem:
            problems.append(f"container runtime is down: {status.runtime_problem}")
        if status.network_problem:
            why = f"reason:NetworkPluginNotReady message:{status.network_problem}"
            problems.append(f"container runtime network not ready: NetworkReady=false {why}")
        if self._host.pleg.problem:
            problems.append(self._host.pleg.problem)
        return Readings(
            problem=", ".join(problems),
            runtime_version=version.reported,
            images=images,
            handlers=status.handlers,
            strict_groups=status.strict_groups,
        )

    # ---- housekeeping

    async def _housekeep(self) -> None:
        """Stops what no pod asks for, and removes what is dead."""
        await self._pods_known.wait()
        while True:
            try:
                await self.housekeep()
            except (RuntimeFailure, CgroupFailure, VolumeError, ApiError, Unreachable, OSError) as error:
                log.warning("housekeeping failed", node=self.node.name, error=str(error))
            await asyncio.sleep(self.node.housekeeping_period)

    async def housekeep(self) -> None:
        host = self._host
        observed = host.pleg.pods()
        unknown = observed.keys() - self._workers.keys()
        await killing.together([self._stop_unknown(observed[uid]) for uid in unknown])
        staying = [uid for uid, worker in self._workers.items() if worker.state is State.SYNCING]
        await removal.collect(host, observed, staying)
        if not host.runtime.runs_processes:
            return
        if self._collector is not None:
            await self._collector.collect()
        for uid in host.volumes.orphans({*self._workers, *host.pleg.pods()}):
            await image_volumes.tear_down(host, uid)
        if host.cgroups is not None:
            for uid in host.cgroups.pods() - {*self._workers, *host.pleg.pods()}:
                host.cgroups.remove_pod(uid)
            burstable = [w.pod for w in self._workers.values() if resources.qos_of(w.pod) is Qos.BURSTABLE]
            host.cgroups.share(sum(resources.pod_request(pod, "cpu") for pod in burstable))

    async def _evict(self) -> None:
        """Looks now and then whether a pod uses more local storage than it may."""
        while True:
            await asyncio.sleep(self.node.eviction_period)
            for worker in list(self._workers.values()):
                if not eviction.has_limits(worker.pod) or worker.state is not State.SYNCING:
                    continue
                try:
                    usage = await eviction.measure(self._host, worker.pod, self._host.pleg.get(worker.uid))
                except RuntimeFailure as error:
                    log.warning("a pod's storage could not be measured", uid=worker.uid, error=str(error))
                    continue
                why = eviction.exceeded(worker.pod, usage)
                if why is not None:
                    worker.evict(Reason(EVICTED, why))

    async def _stop_unknown(self, observed: ObservedPod) -> None:
        """A pod that was deleted while no kubelet was looking."""
        metadata = ObjectMeta(name=observed.name, namespace=observed.namespace, uid=observed.uid)
        stand_in = Pod(metadata=metadata)
        grace = killing.grace_of_unknown(observed)
        log.info("stopping a pod that the API server does not know", pod=observed.name, namespace=observed.namespace)
        await killing.kill_pod(self._host, stand_in, observed, grace)
        await removal.remove_pod(self._host, observed.uid, observed.namespace, observed.name)
        await image_volumes.tear_down(self._host, observed.uid)
        if self._host.cgroups is not None:
            self._host.cgroups.remove_pod(observed.uid)

    # ---- what the kubelet's server looks up

    def pods(self) -> Sequence[Pod]:
        """The pods of this node, as the API last showed them, with the status that this kubelet knows."""
        return [self._with_status(worker.pod) for worker in self._workers.values()]

    def _with_status(self, pod: Pod) -> Pod:
        status = self._host.statuses.get(pod.metadata.uid)
        return pod if status is None else msgspec.structs.replace(pod, status=status)

    def pod(self, namespace: str, name: str) -> Pod | None:
        found = [p for p in self.pods() if p.metadata.namespace == namespace and p.metadata.name == name]
        return max(found, key=lambda pod: pod.metadata.deletion_timestamp is None, default=None)

    def observed(self, uid: str) -> ObservedPod:
        return self._host.pleg.get(uid)
