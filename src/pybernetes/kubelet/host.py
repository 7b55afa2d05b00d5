"""What all pods of a node share: the ways to the API server, to the runtime and to the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from pybernetes.api.clock import Clock
from pybernetes.api.models.core_v1 import Pod, Service
from pybernetes.client import Client
from pybernetes.client.events import EventRecorder

from . import dns, env
from .cgroups import Cgroups
from .claims import ClusterClaims
from .configuration import NodeConfiguration
from .image_manager import ImageManager
from .logs import LogPlaces
from .objects import ClusterObjects
from .pleg import Pleg
from .runtime import Runtime, RuntimeHandler, RuntimeStatus
from .status_manager import StatusManager
from .tokens import ServiceAccountTokens
from .volumes import VolumeContext
from .volumes.manager import Volumes
from .volumes.mounter import Mounter


@dataclass(slots=True)
class Host:
    client: Client
    runtime: Runtime
    node: NodeConfiguration
    clock: Clock
    random: Random
    pleg: Pleg
    statuses: StatusManager
    recorder: EventRecorder
    images: ImageManager
    objects: ClusterObjects
    tokens: ServiceAccountTokens
    claims: ClusterClaims
    mounter: Mounter
    volumes: Volumes
    logs: LogPlaces
    cgroups: Cgroups | None
    services: Callable[[], Sequence[Service]]
    allocatable: Mapping[str, str] = field(default_factory=dict)
    node_memory: int = 0
    runtime_name: str = "containerd"
    runtime_status: RuntimeStatus = RuntimeStatus()

    def volume_context(self, pod: Pod, directory_of: Callable[[str], Path]) -> VolumeContext:
        return VolumeContext(
            directory_of=directory_of,
            objects=self.objects,
            tokens=self.tokens,
            claims=self.claims,
            mounter=self.mounter,
            allocatable=self.allocatable,
            now=self.clock.now(),
            host_ips=self.node.addresses,
            pod_ips=self.ips_of(pod),
            privileged=self.node.privileged_mounts,
        )

    def handler(self, name: str) -> RuntimeHandler:
        """What the runtime says of one of its handlers."""
        known = (one for one in self.runtime_status.handlers if one.name == name)
        return next(known, RuntimeHandler(name))

    def ips_of(self, pod: Pod) -> tuple[str, ...]:
        return self.node.addresses if pod.spec.host_network else self.pleg.get(pod.metadata.uid).ips

    def env_context(self, pod: Pod, read_file: env.ReadFile | None) -> env.EnvContext:
        links = pod.spec.enable_service_links is not False
        return env.EnvContext(
            services=env.service_variables(self.services(), pod.metadata.namespace, links),
            allocatable=self.allocatable,
            host_ips=self.node.addresses,
            pod_ips=self.ips_of(pod),
            read_file=read_file,
        )

    def resolver_of(self, pod: Pod) -> dns.Resolver:
        try:
            text = self.node.resolver_file.read_text()
        except FileNotFoundError:
            text = ""
        resolver, problems = dns.resolver_of(pod, dns.parse(text), self.node.cluster_dns, self.node.cluster_domain)
        for problem in problems:
            self.recorder.event(pod, "Warning", "DNSConfigForming", problem)
        return resolver
