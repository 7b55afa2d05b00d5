"""OCI images in plain Python: layers as tar archives, the configuration, the manifest, and one archive of it all.

Guarantees  The same input gives the same bytes: entries are sorted, times are zero, owners are numbers. An archive can
            be imported by containerd and read by every OCI tool.
Follows the OCI image specification 1.0 (image layout in a tar archive).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import platform
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64"}

_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class File:
    """A file of a layer: its bytes, or where on this machine to take them from."""

    path: str
    content: bytes | Path
    mode: int = 0o644
    uid: int = 0
    gid: int = 0

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else self.content.read_bytes()


@dataclass(frozen=True, slots=True)
class Link:
    path: str
    target: str


@dataclass(frozen=True, slots=True)
class Directory:
    path: str
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


Entry = File | Link | Directory


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says about running it."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    user: str = ""
    ports: tuple[str, ...] = ()
    stop_signal: str = ""


@dataclass(frozen=True, slots=True)
class Blob:
    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self) -> dict[str, Any]:
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


def machine_architecture() -> str:
    machine = platform.machine()
    return _ARCHITECTURES.get(machine, machine)


def layer_tar(entries: Iterable[Entry]) -> bytes:
    """One uncompressed layer; parent directories that no entry names are made with mode 0755."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for entry in _complete(entries):
            archive.addfile(*_member(entry))
    return buffer.getvalue()


def _complete(entries: Iterable[Entry]) -> list[Entry]:
    named: dict[str, Entry] = {entry.path.strip("/"): entry for entry in entries}
    for path in list(named):
        for parent in Path(path).parents:
            if str(parent) != ".":
                named.setdefault(str(parent), Directory(str(parent)))
    return [named[path] for path in sorted(named)]


def _member(entry: Entry) -> tuple[tarfile.TarInfo, io.BytesIO | None]:
    info = tarfile.TarInfo(entry.path.strip("/"))
    match entry:
        case Directory(mode=mode, uid=uid, gid=gid):
            info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, uid, gid
            return info, None
        case Link(target=target):
            info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, target
            return info, None
        case File(mode=mode, uid=uid, gid=gid):
            data = entry.read()
            info.mode, info.uid, info.gid, info.size = mode, uid, gid, len(data)
            return info, io.BytesIO(data)


def archive_bytes(reference: str, layers: Sequence[Sequence[Entry]], config: ImageConfig) -> bytes:
    """The archive of one image named `reference`, for this machine's architecture."""
    tars = [layer_tar(entries) for entries in layers]
    layer_blobs = [Blob(_LAYER, gzip.compress(tar, compresslevel=1, mtime=0)) for tar in tars]
    diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
    config_blob = Blob(_CONFIG, _json(_config_document(config, diff_ids)))
    manifest = Blob(
        _MANIFEST,
        _json(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": config_blob.descriptor(),
                "layers": [blob.descriptor() for blob in layer_blobs],
            }
        ),
    )
    return _layout(reference, manifest, [config_blob, *layer_blobs])


def _config_document(config: ImageConfig, diff_ids: Sequence[str]) -> dict[str, Any]:
    run: dict[str, Any] = {"WorkingDir": config.working_dir}
    if config.entrypoint:
        run["Entrypoint"] = list(config.entrypoint)
    if config.command:
        run["Cmd"] = list(config.command)
    if config.env:
        run["Env"] = [f"{key}={value}" for key, value in sorted(config.env.items())]
    if config.user:
        run["User"] = config.user
    if config.ports:
        run["ExposedPorts"] = {port: {} for port in config.ports}
    if config.stop_signal:
        run["StopSignal"] = config.stop_signal
    return {
        "architecture": machine_architecture(),
        "os": "linux",
        "config": run,
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created_by": "pybernetes"} for _ in diff_ids],
    }


def _layout(reference: str, manifest: Blob, blobs: Sequence[Blob]) -> bytes:
    annotations = {
        "io.containerd.image.name": reference,
        "org.opencontainers.image.ref.name": reference.rpartition(":")[2],
    }
    platform_ = {"architecture": machine_architecture(), "os": "linux"}
    entry = {**manifest.descriptor(), "annotations": annotations, "platform": platform_}
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(index),
        **{f"blobs/sha256/{blob.digest.partition(':')[2]}": blob.data for blob in (manifest, *blobs)},
    }
    return layer_tar(File(path, data) for path, data in files.items())


class NotAnArchive(Exception):
    """The file is not an image archive, neither of OCI's form nor of `docker save`'s."""

    def __init__(self, path: Path, why: object) -> None:
        super().__init__(f"{path} is not an image archive (OCI or `docker save`): {why}")


def image_id(archive: Path) -> str:
    """The id by which runtimes know the (first) image of an OCI archive: its configuration's digest."""
    with _opened(archive) as tar:
        index = orjson.loads(_read(tar, "index.json"))
        digest: str = index["manifests"][0]["digest"].partition(":")[2]
        manifest = orjson.loads(_read(tar, f"blobs/sha256/{digest}"))
    return str(manifest["config"]["digest"])


def names_in(archive: Path) -> list[str]:
    """The images' names as the archive gives them; in OCI's form those that containerd or docker has written."""
    with _opened(archive) as tar:
        if "manifest.json" in tar.getnames():
            return [name for image in orjson.loads(_read(tar, "manifest.json")) for name in image.get("RepoTags") or ()]
        index = orjson.loads(_read(tar, "index.json"))
    named = (entry.get("annotations", {}).get("io.containerd.image.name") for entry in index["manifests"])
    return [name for name in named if name]


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
    except tarfile.TarError as error:
        raise NotAnArchive(archive, "not a tar file") from error
    except (KeyError, IndexError, orjson.JSONDecodeError) as error:
        raise NotAnArchive(archive, error.args[0]) from error


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.extractfile(name)
    if member is None:
        raise KeyError(f"{name} is not a file in it")
    with member:
        return member.read()


def _json(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
