"""Pods that look at files, say what they see, and end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from e2e.space import Manifest, Space, container, mount, pod

SEE = 'see() { for one in "$@"; do echo "$one $(stat -Lc %A $one) $(cat $one)"; done; }; '
"""A shell's function: each file with its mode and its content."""


def looking(name: str, script: str, volumes: Mapping[str, Manifest], **spec: Any) -> Manifest:
    """A pod with each volume at /NAME, that runs the script and ends."""
    mounts = [mount(volume, f"/{volume}") for volume in volumes]
    declared = [{"name": volume, **source} for volume, source in volumes.items()]
    resources = spec.pop("resources", {})
    main = container(SEE + script, volumeMounts=mounts, resources=resources)
    return pod(name, main, restartPolicy="Never", volumes=declared, **spec)


def seen(space: Space, pods: Iterable[Manifest]) -> dict[str, list[str]]:
    """What each of the pods says; all must succeed."""
    pods = list(pods)
    space.apply(*pods)
    names = [one["metadata"]["name"] for one in pods]
    space.wait("--for=jsonpath={.status.phase}=Succeeded", *(f"pod/{name}" for name in names))
    return {name: space.kubectl("logs", name).splitlines() for name in names}


def config(name: str, **more: Any) -> Manifest:
    return {"configMap": {"name": name, **more}}


def secret_of(name: str, **more: Any) -> Manifest:
    return {"secret": {"secretName": name, **more}}


def projected(*sources: Manifest, **more: Any) -> Manifest:
    return {"projected": {"sources": list(sources), **more}}


def item(key: str, path: str, **more: int) -> Manifest:
    return {"key": key, "path": path, **more}
