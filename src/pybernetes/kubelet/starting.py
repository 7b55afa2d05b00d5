"""Starting: the sandbox of a pod, and one container in it.

Guarantees  A failure is `StartFailure` with the reason and message for the container's status; its event has been
            told by then.
Follows     pkg/kubelet/kuberuntime (createPodSandbox, startContainer) and pkg/kubelet/kubelet_pods.go
            (GenerateRunContainerOptions).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Container, Pod
from pybernetes.api.models.node_v1 import RuntimeClass
from pybernetes.client import Unreachable

from . import env, hooks, hosts, image_volumes, killing, security
from .container_config import Prepared, container_config, container_named, sandbox_config
from .host import Host
from .image_manager import Say, StartFailure
from .observed import ObservedContainer, ObservedPod
from .plan import Role, Start
from .probes import Target
from .runtime import Image, ImageNotPresent, Mount, RuntimeFailure, RuntimeHandler, SandboxConfig
from .volumes import Mounted, VolumeError, subpath

HOSTS = "/etc/hosts"


class SandboxFailure(Exception):
    """The pod's sandbox could not be made."""


async def make_sandbox(host: Host, pod: Pod, attempt: int, cgroup_parent: str) -> str:
    try:
        handler = await _runtime_handler(host, pod)
        _check_built(pod, host.handler(handler))
        config = sandbox_config(pod, host.node, attempt, host.resolver_of(pod), cgroup_parent)
        return await host.runtime.run_sandbox(config, runtime_handler=handler)
    except (RuntimeFailure, ApiError, Unreachable, OSError, ValueError) as error:
        host.recorder.event(pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {error}")
        raise SandboxFailure(str(error)) from error


def _check_built(pod: Pod, handler: RuntimeHandler) -> None:
    """What a pod may ask for and this node cannot give: better no pod than one that is not what it seems."""
    if pod.spec.host_users is False:
        whose = f'RuntimeClass handler "{handler.name}"' if handler.name else "runtime"
        able = "this node is not built for" if handler.user_namespaces else f"{whose} does not support"
        raise ValueError(f"can't set `spec.hostUsers: false`, {able} user namespaces")
    if pod.spec.resource_claims:
        raise ValueError("resource claims are not built")


async def _runtime_handler(host: Host, pod: Pod) -> str:
    if not pod.spec.runtime_class_name:
        return ""
    runtime_class = await host.client.get(RuntimeClass, pod.spec.runtime_class_name)
    return runtime_class.handler


async def start_container(
    host: Host, pod: Pod, start: Start, observed: ObservedPod, mounted: Mapping[str, Mounted], sandbox: SandboxConfig
) -> None:
    ready = observed.ready_sandbox
    if ready is None:
        raise StartFailure("CreateContainerError", "the pod's sandbox is not ready")
    container = container_named(pod, start.name)
    say = sayer(host, pod, start.name)
    try:
        policy = container.image_pull_policy or "IfNotPresent"
        reference, image = await host.images.ensure(pod, container.image or "", policy, sandbox, say)
        await image_volumes.provide(host, pod, container, sandbox, say)
    except StartFailure as error:
        say("Warning", "Failed", f"Error: {error.reason}")
        raise
    prepared = await _prepare(host, pod, container, start, observed, mounted, reference, image, say)
    config = container_config(pod, container, host.node, prepared, start.restart_count, host.node_memory)
    try:
        identifier = await host.runtime.create_container(ready.sandbox.id, config, sandbox)
    except ImageNotPresent as error:
        say("Warning", "Failed", f"Error: {error.message}")
        raise StartFailure("CreateContainerError", error.message) from error
    except RuntimeFailure as error:
        say("Warning", "Failed", f"Error: {error.message}")
        raise StartFailure("CreateContainerError", error.message) from error
    say("Normal", "Created", "Container created")
    try:
        await host.runtime.start_container(identifier)
    except RuntimeFailure as error:
        say("Warning", "Failed", f"Error: {error.message}")
        raise StartFailure("RunContainerError", error.message) from error
    say("Normal", "Started", "Container started")
    if host.runtime.runs_processes:
        log = Path(sandbox.log_directory) / config.log_path
        host.logs.link(pod.metadata.namespace, pod.metadata.name, container.name, identifier, log)
        await _post_start(host, pod, container, identifier, observed, say)


def sayer(host: Host, pod: Pod, container: str) -> Say:
    field = killing.field_path(pod, container)

    def say(type: str, reason: str, message: str) -> None:
        host.recorder.event(pod, type, reason, message, field_path=field)

    return say


async def _prepare(
    host: Host,
    pod: Pod,
    container: Container,
    start: Start,
    observed: ObservedPod,
    mounted: Mapping[str, Mounted],
    reference: str,
    image: Image | None,
    say: Say,
) -> Prepared:
    try:
        security.check_non_root(pod, container, image)
        if container.volume_devices:
            raise env.ConfigError("raw block volumes (volumeDevices) are not built")
        read = (lambda volume, path: subpath.read(mounted[volume].path, path)) if host.runtime.runs_processes else None
        environment = await env.environment(pod, container, host.objects, host.env_context(pod, read))
        mounts: list[Mount] = []
        if host.runtime.runs_processes:
            host.volumes.forget_subpaths(pod.metadata.uid, container.name)
            mounts = host.volumes.container_mounts(pod, container, mounted, environment, host.handler(observed.handler))
            mounts += _own_files(host, pod, container, start.restart_count, {mount.container_path for mount in mounts})
    except (env.ConfigError, VolumeError, ApiError, Unreachable, OSError) as error:
        say("Warning", "Failed", f"Error: {error}")
        raise StartFailure("CreateContainerConfigError", str(error)) from error
    target = _target(pod, start, observed)
    return Prepared(reference, image, environment, tuple(mounts), target)


def _target(pod: Pod, start: Start, observed: ObservedPod) -> str:
    if start.role is not Role.EPHEMERAL:
        return ""
    wanted = next((c.target_container_name for c in pod.spec.ephemeral_containers if c.name == start.name), "")
    found = observed.newest(wanted) if wanted else None
    return found.id if found is not None else ""


def _own_files(host: Host, pod: Pod, container: Container, attempt: int, taken: set[str]) -> list[Mount]:
    """The hosts file and the termination message's file, unless the pod mounts its own in their place."""
    mounts: list[Mount] = []
    paths = host.node.paths
    if HOSTS not in taken:
        file = paths.hosts(pod.metadata.uid)
        _write_hosts(host, pod, file)
        mounts.append(Mount(str(file), HOSTS, selinux_relabel=True))
    if container.termination_message_path:
        directory = paths.container(pod.metadata.uid, container.name)
        directory.mkdir(parents=True, exist_ok=True)
        file = directory / f"{attempt:08x}"
        file.touch()
        os.chmod(file, 0o666)
        mounts.append(Mount(str(file), container.termination_message_path, selinux_relabel=True))
    return mounts


def _write_hosts(host: Host, pod: Pod, file: Path) -> None:
    aliases = pod.spec.host_aliases
    if pod.spec.host_network:
        text = hosts.host_network(host.node.hosts_file.read_text(), aliases)
    else:
        hostname = hosts.hostname_of(pod, host.node.hostname or host.node.name)
        text = hosts.managed(host.ips_of(pod), hostname, hosts.domain_of(pod, host.node.cluster_domain), aliases)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.read_text() != text:
        file.write_text(text)
        file.chmod(0o644)


async def _post_start(
    host: Host, pod: Pod, container: Container, identifier: str, observed: ObservedPod, say: Say
) -> None:
    handler = container.lifecycle.post_start if container.lifecycle is not None else None
    if handler is None:
        return
    ip = next(iter(observed.ips), next(iter(host.node.addresses), ""))
    try:
        await hooks.run(handler, Target(pod, container, identifier, ip), host.runtime)
    except hooks.HookFailure as error:
        say("Warning", "FailedPostStartHook", f"PostStartHook failed: {error}")
        status = await host.runtime.container_status(identifier)
        sandbox = observed.ready_sandbox
        found = ObservedContainer(status, sandbox.sandbox.id if sandbox is not None else "")
        await killing.kill_container(host, pod, found, observed, killing.grace_of(pod), "FailedPostStartHook")
        raise StartFailure("PostStartHookError", str(error)) from error
