"""Pulling images from a registry, with and without credentials."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kubelet.registry import REPOSITORY, Registry
from pybernetes.kubelet.containerd import Containerd, ContainerdConfiguration
from pybernetes.kubelet.oci import Directory, File, ImageConfig, archive_bytes
from pybernetes.kubelet.runtime import Credentials, PullFailed
from pybernetes.kubelet.runtime.cri import CriRuntime

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def containerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Containerd]:
    directory = tmp_path_factory.mktemp("pulling")
    daemon = Containerd(ContainerdConfiguration(directory / "containerd", directory / "cni"))
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(daemon.start())
        yield daemon
        runner.run(daemon.purge())


@pytest.fixture
async def runtime(containerd: Containerd) -> AsyncIterator[CriRuntime]:
    runtime = CriRuntime(containerd.configuration.socket)
    yield runtime
    await runtime.close()


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[tuple[Registry, str]]:
    archive = tmp_path / "app.tar"
    layer = [File("/app", b"#!/bin/sh\n", mode=0o755), Directory("/data")]
    archive.write_bytes(archive_bytes("x:1", [layer], ImageConfig(entrypoint=("/app",), user="1000")))
    registry = Registry(archive)
    yield registry, f"{await registry.start()}/{REPOSITORY}"
    await registry.stop()


async def test_an_image_is_pulled_by_tag_and_known_by_tag_and_digest(
    runtime: CriRuntime, registry: tuple[Registry, str]
) -> None:
    _, name = registry
    identifier = await runtime.pull_image(f"{name}:1.0")
    image = await runtime.image_status(f"{name}:1.0")
    assert image is not None
    assert (image.id, image.uid) == (identifier, 1000)
    assert image.repo_tags == (f"{name}:1.0",)
    (digest,) = image.repo_digests
    assert digest.startswith(f"{name}@sha256:")
    await runtime.remove_image(f"{name}:1.0")
    assert await runtime.image_status(f"{name}:1.0") is None
    assert await runtime.pull_image(digest) == identifier


async def test_a_private_image_needs_the_right_credentials(runtime: CriRuntime, registry: tuple[Registry, str]) -> None:
    server, name = registry
    server.private = True
    with pytest.raises(PullFailed, match=r"401|authorization"):
        await runtime.pull_image(f"{name}:1.0")
    with pytest.raises(PullFailed):
        await runtime.pull_image(f"{name}:1.0", credentials=Credentials(username="robot", password="wrong"))
    await runtime.pull_image(f"{name}:1.0", credentials=Credentials(username="robot", password="secret"))
    assert await runtime.image_status(f"{name}:1.0") is not None


async def test_a_tag_that_is_not_there_is_told(runtime: CriRuntime, registry: tuple[Registry, str]) -> None:
    _, name = registry
    with pytest.raises(PullFailed, match="not found"):
        await runtime.pull_image(f"{name}:2.0")
