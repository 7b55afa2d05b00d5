"""Volumes in a temporary root."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubelet.observations import declared
from pybernetes.api import errors
from pybernetes.api.models import core_v1
from pybernetes.api.models.core_v1 import (
    ConfigMap,
    KeyToPath,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    Secret,
    Volume,
    VolumeMount,
)
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.kubelet.configuration import Paths
from pybernetes.kubelet.runtime import RuntimeHandler
from pybernetes.kubelet.volumes import VolumeContext, VolumeError, host_path, subpath
from pybernetes.kubelet.volumes.manager import Volumes
from pybernetes.kubelet.volumes.mounter import PlainDirectories

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Objects:
    """Config maps and secrets in memory."""

    def __init__(self) -> None:
        self.config_maps: dict[str, ConfigMap] = {}
        self.secrets: dict[str, Secret] = {}

    async def config_map(self, namespace: str, name: str) -> ConfigMap:
        if name not in self.config_maps:
            raise errors.not_found("configmaps", name)
        return self.config_maps[name]

    async def secret(self, namespace: str, name: str) -> Secret:
        if name not in self.secrets:
            raise errors.not_found("secrets", name)
        return self.secrets[name]


class Tokens:
    async def token(self, pod: Pod, audience: str, expiration_seconds: int) -> str:
        return f"token for {audience or 'the API'}"


class Claims:
    """One claim, and the volume it is bound to."""

    def __init__(self) -> None:
        self.of_pod = PersistentVolumeClaim(metadata=ObjectMeta(name="disk", uid="c1"))
        self.of_pod.spec.volume_name = "pv"
        self.of_pod.status.phase = "Bound"
        self.bound = PersistentVolume(metadata=ObjectMeta(name="pv"))
        self.bound.spec.claim_ref = core_v1.ObjectReference(uid="c1")

    async def claim(self, namespace: str, name: str) -> PersistentVolumeClaim:
        if name != "disk":
            raise errors.not_found("persistentvolumeclaims", name)
        return self.of_pod

    async def volume(self, name: str) -> PersistentVolume:
        return self.bound


class World:
    def __init__(self, root: Path) -> None:
        self.objects = Objects()
        self.claims = Claims()
        self.paths = Paths(root, root / "logs")
        self.volumes = Volumes(self.paths, PlainDirectories())

    async def mount(self, *volumes: Volume, **spec: Any) -> dict[str, Path]:
        self.pod = declared(volumes=list(volumes), **spec)
        self.pod.metadata.labels = {"app": "web", "tier": 'a"b'}
        found = await self.volumes.mount_all(self.pod, self.context)
        return {name: mounted.path for name, mounted in found.items()}

    def context(self, pod: Pod, directory_of: Any) -> VolumeContext:
        return VolumeContext(
            directory_of=directory_of,
            objects=self.objects,
            tokens=Tokens(),
            claims=self.claims,
            mounter=PlainDirectories(),
            allocatable={"cpu": "4", "memory": "8Gi"},
            now=NOW,
            host_ips=("10.0.0.1",),
            pod_ips=("10.1.1.1",),
            privileged=False,
        )


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path)
    made.objects.config_maps["conf"] = ConfigMap(data={"a": "1", "b": "2"}, binary_data={"c": b"\x00"})
    made.objects.secrets["cred"] = Secret(data={"user": b"me", "password": b"hush"})
    return made


def files(path: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in path.iterdir() if not entry.name.startswith("..")}


async def test_an_empty_dir_keeps_what_is_in_it_and_goes_with_the_pod(world: World) -> None:
    volume = Volume(name="data", empty_dir=core_v1.EmptyDirVolumeSource())
    path = (await world.mount(volume))["data"]
    assert str(path).endswith("pods/uid/volumes/kubernetes.io~empty-dir/data")
    assert path.stat().st_mode & 0o777 == 0o777
    (path / "file").write_text("kept")
    assert (await world.mount(volume))["data"].joinpath("file").read_text() == "kept"
    await world.volumes.tear_down("uid")
    assert not world.paths.pod("uid").exists()


@pytest.mark.parametrize("medium", ["", "Memory"])
async def test_what_containers_make_of_modes_stays(world: World, medium: str) -> None:
    volume = Volume(name="data", empty_dir=core_v1.EmptyDirVolumeSource(medium=medium))
    context = core_v1.PodSecurityContext(fs_group=os.getegid())
    path = (await world.mount(volume, security_context=context))["data"]
    assert path.stat().st_mode & 0o2777 == 0o2777
    (path / "file").touch(0o600)
    path.chmod(0o1700 if medium else 0o700)
    await world.mount(volume, security_context=context)
    assert (path / "file").stat().st_mode & 0o777 == 0o600


async def test_a_config_map_is_files(world: World) -> None:
    path = (await world.mount(Volume(name="v", config_map=core_v1.ConfigMapVolumeSource(name="conf"))))["v"]
    assert files(path) == {"a": "1", "b": "2", "c": "\x00"}
    assert path.stat().st_mode & 0o7777 == 0o777


async def test_a_projected_directory_is_its_groups(world: World) -> None:
    context = core_v1.PodSecurityContext(fs_group=os.getegid())
    items = [KeyToPath(key="a", path="deep/down", mode=0o400)]
    volume = Volume(name="v", config_map=core_v1.ConfigMapVolumeSource(name="conf", items=items))
    path = (await world.mount(volume, security_context=context))["v"]
    modes = [one.stat().st_mode & 0o7777 for one in (path, path / "deep", path / "deep" / "down")]
    assert modes == [0o2777, 0o2755, 0o440]


async def test_items_choose_paths_and_modes(world: World) -> None:
    items = [KeyToPath(key="a", path="deep/down", mode=0o400)]
    source = core_v1.ConfigMapVolumeSource(name="conf", items=items)
    path = (await world.mount(Volume(name="v", config_map=source)))["v"] / "deep/down"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("1", 0o400)


async def test_a_missing_config_map_is_an_error_unless_optional(world: World) -> None:
    source = core_v1.ConfigMapVolumeSource(name="none")
    with pytest.raises(VolumeError, match=r'MountVolume\.SetUp failed for volume "v" : configmap "none" not found'):
        await world.mount(Volume(name="v", config_map=source))
    source.optional = True
    assert files((await world.mount(Volume(name="v", config_map=source)))["v"]) == {}


async def test_a_missing_key_is_an_error_unless_optional(world: World) -> None:
    source = core_v1.SecretVolumeSource(secret_name="cred", items=[KeyToPath(key="none", path="x")])
    with pytest.raises(VolumeError, match="references non-existent secret key: none"):
        await world.mount(Volume(name="v", secret=source))
    source.optional = True
    assert files((await world.mount(Volume(name="v", secret=source)))["v"]) == {}


async def test_a_secret_follows_its_changes(world: World) -> None:
    volume = Volume(name="v", secret=core_v1.SecretVolumeSource(secret_name="cred", default_mode=0o400))
    path = (await world.mount(volume))["v"]
    assert files(path) == {"user": "me", "password": "hush"}
    assert (path / "user").stat().st_mode & 0o777 == 0o400
    world.objects.secrets["cred"] = Secret(data={"user": b"you"})
    await world.mount(volume)
    assert files(path) == {"user": "you"}


async def test_the_downward_api_tells_a_pod_of_itself(world: World) -> None:
    def item(path: str, field: str) -> core_v1.DownwardAPIVolumeFile:
        return core_v1.DownwardAPIVolumeFile(path=path, field_ref=core_v1.ObjectFieldSelector(field_path=field))

    limit = core_v1.ResourceFieldSelector(container_name="main", resource="limits.cpu", divisor="1m")
    source = core_v1.DownwardAPIVolumeSource(
        items=[
            item("labels", "metadata.labels"),
            item("name", "metadata.name"),
            item("one", "metadata.labels['app']"),
            core_v1.DownwardAPIVolumeFile(path="cpu", resource_field_ref=limit),
        ]
    )
    path = (await world.mount(Volume(name="v", downward_api=source)))["v"]
    assert files(path) == {"labels": 'app="web"\ntier="a\\"b"', "name": "pod", "one": "web", "cpu": "4000"}


async def test_projected_sources_share_a_directory(world: World) -> None:
    token = core_v1.ServiceAccountTokenProjection(path="token", audience="vault", expiration_seconds=600)
    source = core_v1.ProjectedVolumeSource(
        sources=[
            core_v1.VolumeProjection(service_account_token=token),
            core_v1.VolumeProjection(config_map=core_v1.ConfigMapProjection(name="conf")),
            core_v1.VolumeProjection(secret=core_v1.SecretProjection(name="cred")),
        ]
    )
    path = (await world.mount(Volume(name="v", projected=source)))["v"]
    assert files(path) == {
        "token": "token for vault",
        "a": "1",
        "b": "2",
        "c": "\x00",
        "user": "me",
        "password": "hush",
    }


async def test_a_type_that_is_not_built_says_so(world: World) -> None:
    nfs = core_v1.NFSVolumeSource(server="s", path="/")
    with pytest.raises(VolumeError, match="volumes of type nfs are not built"):
        await world.mount(Volume(name="v", nfs=nfs))


def claiming(name: str = "disk") -> Volume:
    return Volume(name="v", persistent_volume_claim=core_v1.PersistentVolumeClaimVolumeSource(claim_name=name))


async def test_a_claim_is_the_directory_of_its_volume(world: World, tmp_path: Path) -> None:
    world.claims.bound.spec.local = core_v1.LocalVolumeSource(path=str(tmp_path))
    assert await world.mount(claiming()) == {"v": tmp_path}
    world.claims.bound.spec.local = core_v1.LocalVolumeSource(path=str(tmp_path / "none"))
    with pytest.raises(VolumeError, match="does not exist"):
        await world.mount(claiming())


async def test_a_claim_must_be_bound_both_ways(world: World, tmp_path: Path) -> None:
    world.claims.bound.spec.local = core_v1.LocalVolumeSource(path=str(tmp_path))
    with pytest.raises(VolumeError, match='persistentvolumeclaims "other" not found'):
        await world.mount(claiming("other"))
    world.claims.bound.spec.claim_ref = core_v1.ObjectReference(uid="another")
    with pytest.raises(VolumeError, match="is not bound to it"):
        await world.mount(claiming())
    world.claims.of_pod.status.phase = "Pending"
    with pytest.raises(VolumeError, match="PVC is not bound"):
        await world.mount(claiming())


async def test_a_persistent_volume_of_another_kind_is_refused_by_name(world: World) -> None:
    world.claims.bound.spec.nfs = core_v1.NFSVolumeSource(server="s", path="/")
    with pytest.raises(VolumeError, match="volumes of type nfs are not built"):
        await world.mount(claiming())


@pytest.mark.parametrize(
    ("kind", "made", "problem"),
    [
        ("Directory", False, "is not a directory"),
        ("DirectoryOrCreate", True, None),
        ("File", False, "is not a file"),
        ("FileOrCreate", True, None),
        ("Socket", False, "is not a socket file"),
        ("", False, None),
    ],
)
def test_the_type_of_a_host_path_is_checked(tmp_path: Path, kind: str, made: bool, problem: str | None) -> None:
    path = tmp_path / "there"
    if problem is None:
        host_path.check(path, kind)
        assert path.exists() is made
    else:
        with pytest.raises(VolumeError, match=problem):
            host_path.check(path, kind)


def test_a_subpath_is_made_where_it_is_missing(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    target = subpath.bind(PlainDirectories(), volume, "a/b", tmp_path / "target" / "0")
    (target / "file").write_text("x")
    assert (volume / "a/b/file").read_text() == "x"


def test_a_subpath_does_not_lead_out_of_its_volume(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "link").symlink_to("/etc")
    for path in ("link", "link/passwd", "../x", "/etc"):
        with pytest.raises(VolumeError):
            subpath.bind(PlainDirectories(), volume, path, tmp_path / "target" / "0")


async def test_a_subpath_expression_is_expanded(world: World) -> None:
    volume = Volume(name="data", empty_dir=core_v1.EmptyDirVolumeSource())
    await world.mount(volume)
    mounted = await world.volumes.mount_all(world.pod, world.context)
    container = world.pod.spec.containers[0]
    container.volume_mounts = [VolumeMount(name="data", mount_path="/logs", sub_path_expr="$(NAME)", read_only=True)]
    (mount,) = world.volumes.container_mounts(world.pod, container, mounted, {"NAME": "mine"}, RuntimeHandler(""))
    assert (mount.container_path, mount.read_only) == ("/logs", True)
    assert (mounted["data"].path / "mine").is_dir()
    for variables in ({}, {"NAME": ""}):
        with pytest.raises(VolumeError, match=r"^missing value for NAME$"):
            world.volumes.container_mounts(world.pod, container, mounted, variables, RuntimeHandler(""))


async def test_directories_of_unknown_pods_are_orphans(world: World) -> None:
    await world.mount(Volume(name="data", empty_dir=core_v1.EmptyDirVolumeSource()))
    assert world.volumes.orphans(["uid"]) == []
    assert world.volumes.orphans(["other"]) == ["uid"]
