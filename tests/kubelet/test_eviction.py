"""Pods that use more local storage than they may."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubelet.observations import declared
from kubelet.test_kubelet_processes import Scripted
from kubelet.worlds import container, pod, world
from pybernetes.api.models.core_v1 import EmptyDirVolumeSource, Pod, Volume
from pybernetes.kubelet.eviction import Usage, exceeded, has_limits, size_of


def limited(size: str | None = None, storage: str | None = None) -> Pod:
    made = declared(volumes=[Volume(name="data", empty_dir=EmptyDirVolumeSource(size_limit=size))])
    if storage:
        made.spec.containers[0].resources.limits = {"ephemeral-storage": storage}
    return made


@pytest.mark.parametrize(
    ("made", "usage", "why"),
    [
        (limited("1Mi"), Usage({"data": 2 << 20}), 'Usage of EmptyDir volume "data" exceeds the limit "1Mi". '),
        (limited("1Mi"), Usage({"data": 1 << 20}), None),
        (limited(), Usage({"data": 1 << 40}), None),
        (
            limited(storage="1Mi"),
            Usage({"data": 1 << 20}, {"main": 1}),
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. ",
        ),
        (limited(storage="1Mi"), Usage({}, {"main": 5}), None),
    ],
)
def test_limits_are_compared_with_what_is_used(made: Pod, usage: Usage, why: str | None) -> None:
    assert exceeded(made, usage) == why


def test_only_pods_with_limits_are_measured() -> None:
    assert not has_limits(limited())
    assert has_limits(limited("1Mi"))
    assert has_limits(limited(storage="1Mi"))


def test_the_size_of_a_directory_is_what_it_takes_on_disk(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/file").write_bytes(b"x" * 100_000)
    assert size_of(tmp_path) >= 100_000
    assert size_of(tmp_path / "none") == 0


@pytest.mark.virtual_time
async def test_a_pod_that_fills_its_volume_is_evicted(tmp_path: Path) -> None:
    async with world(tmp_path, Scripted) as cluster:
        volume = Volume(name="data", empty_dir=EmptyDirVolumeSource(size_limit="1Mi"))
        await cluster.client.create(pod("greedy", container("main"), volumes=[volume]))
        found = await cluster.in_phase("greedy", "Running")
        path = cluster.node.paths.volume(found.metadata.uid, "kubernetes.io/empty-dir", "data")
        (path / "big").write_bytes(b"x" * (2 << 20))
        found = await cluster.in_phase("greedy", "Failed")
        assert [c.reason for c in found.status.conditions if c.type == "DisruptionTarget"] == ["TerminationByKubelet"]
        assert (found.status.reason, found.status.message) == (
            "Evicted",
            'Usage of EmptyDir volume "data" exceeds the limit "1Mi". ',
        )
