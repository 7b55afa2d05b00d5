"""Volumes that are images."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conformance.pods_client import Pods, state
from e2e.space import Space, container, mount, pod, stay
from kubelet.registry import REPOSITORY, Registry
from pybernetes.kubelet.oci import File, ImageConfig, archive_bytes

pytestmark = pytest.mark.node


@pytest.fixture
async def reference(tmp_path: Path) -> AsyncIterator[str]:
    """An artifact of two layers in a registry."""
    archive = tmp_path / "artifact.tar"
    layers = [(File("/dir/file", b"1\n"), File("/file", b"below\n")), (File("/file", b"2\n"),)]
    archive.write_bytes(archive_bytes(f"example.com/{REPOSITORY}:1.0", layers, ImageConfig()))
    registry = Registry(archive)
    host = await registry.start()
    yield f"{host}/{REPOSITORY}:1.0"
    await registry.stop()


@pytest.mark.conformance("Image Volume")
async def test_an_image_is_pulled_and_seen_as_a_volume(space: Space, reference: str) -> None:
    await asyncio.to_thread(show, space, reference)


def show(space: Space, reference: str) -> None:
    pods = Pods(space)
    volumes = [{"name": "volume", "image": {"reference": reference, "pullPolicy": "Always"}}]
    mounts = [mount("volume", "/volume"), mount("volume", "/part", subPath="dir")]
    other = container(stay(), "other", volumeMounts=[mount("volume", "/volume")])
    pods.create(pod("shown", container(stay(), volumeMounts=mounts), other, volumes=volumes))
    absent = [{"name": "volume", "image": {"reference": f"{reference}-absent", "pullPolicy": "IfNotPresent"}}]
    pods.create(pod("absent", container(stay(), volumeMounts=[mount("volume", "/volume")]), volumes=absent))
    found = pods.ready("shown")
    script = "cat /volume/dir/file /volume/file /part/file"
    assert pods.run("shown", script) == "1\n2\n1\n"
    assert pods.run("shown", "cat /volume/file", "other") == "2\n"
    assert "Read-only file system" in pods.run("shown", "touch /volume/more || true")
    assert {one["name"] for one in state(found)["volumeMounts"]} >= {"volume"}
    waiting = ("ErrImagePull", "ImagePullBackOff")
    pods.until("absent", lambda pod: state(pod).get("state", {}).get("waiting", {}).get("reason") in waiting)
    for name in ("shown", "absent"):
        pods.delete(name)
    directory = space.cluster.kubelet_root / "pods" / found["metadata"]["uid"]
    for name in ("shown", "absent"):
        pods.gone(name)
    space.cluster.until("the end of its directory", lambda: not directory.exists())
