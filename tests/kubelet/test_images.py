"""Images built without a registry: references, layers, archives, recipes."""

from __future__ import annotations

import io
import json
import platform
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from pybernetes.kubelet import image_recipes
from pybernetes.kubelet.image_recipes import MissingProgram, Recipe, build, build_from_packages
from pybernetes.kubelet.image_references import InvalidReference, normalise
from pybernetes.kubelet.images import UnknownRecipe, recipe
from pybernetes.kubelet.oci import (
    Directory,
    File,
    ImageConfig,
    Link,
    NotAnArchive,
    archive_bytes,
    image_id,
    layer_tar,
    names_in,
)
from pybernetes.kubelet.pause import program


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("me/app", "docker.io/me/app:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/me/app:1", "docker.io/me/app:1"),
        ("localhost/app", "localhost/app:latest"),
        ("localhost:5000/a/b:c", "localhost:5000/a/b:c"),
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        (f"app@sha256:{'a' * 64}", f"docker.io/library/app@sha256:{'a' * 64}"),
        (f"quay.io/x/app:1@sha256:{'a' * 64}", f"quay.io/x/app:1@sha256:{'a' * 64}"),
    ],
)
def test_short_names_of_images_become_full_ones(short: str, full: str) -> None:
    assert normalise(short) == full


@pytest.mark.parametrize("text", ["", "UPPER", "a b", "app:", "app:-x", "app@sha256:short", "a" * 64, "/app", "app//b"])
def test_what_cannot_name_an_image_is_refused(text: str) -> None:
    with pytest.raises(InvalidReference):
        normalise(text)


def members(tar: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return {member.name: member for member in archive.getmembers()}


def test_a_layer_holds_its_entries_and_the_folders_above_them() -> None:
    layer = members(
        layer_tar([File("/usr/bin/tool", b"#!", mode=0o755), Link("/bin", "usr/bin"), Directory("/tmp", 0o1777)])
    )
    assert list(layer) == ["bin", "tmp", "usr", "usr/bin", "usr/bin/tool"]
    assert (layer["usr/bin/tool"].mode, layer["tmp"].mode, layer["bin"].linkname) == (0o755, 0o1777, "usr/bin")
    assert {member.mtime for member in layer.values()} == {0}


def test_the_same_input_gives_the_same_archive() -> None:
    layers = [[File("/a", b"1"), File("/b", b"2")]]
    config = ImageConfig(command=("/a",), env={"B": "2", "A": "1"})
    assert archive_bytes("x/y:1", layers, config) == archive_bytes("x/y:1", [list(reversed(layers[0]))], config)


def test_an_archive_is_an_image_layout_that_names_its_image(tmp_path: Path) -> None:
    config = ImageConfig(entrypoint=("/a",), env={"A": "1"}, ports=("80/tcp",), user="1:2", stop_signal="SIGQUIT")
    path = tmp_path / "image.tar"
    path.write_bytes(archive_bytes("x/y:1", [[File("/a", b"1")]], config))
    with tarfile.open(path) as archive:
        index = json.loads(_content(archive, "index.json"))
        (entry,) = index["manifests"]
        assert entry["annotations"]["io.containerd.image.name"] == "x/y:1"
        manifest = json.loads(_content(archive, _blob(entry["digest"])))
        document = json.loads(_content(archive, _blob(manifest["config"]["digest"])))
    assert image_id(path) == manifest["config"]["digest"]
    assert document["config"] == {
        "WorkingDir": "/",
        "Entrypoint": ["/a"],
        "Env": ["A=1"],
        "User": "1:2",
        "ExposedPorts": {"80/tcp": {}},
        "StopSignal": "SIGQUIT",
    }
    assert len(document["rootfs"]["diff_ids"]) == len(manifest["layers"]) == 1


def test_names_are_read_from_archives_of_both_kinds(tmp_path: Path) -> None:
    ours, dockers = tmp_path / "oci.tar", tmp_path / "docker.tar"
    ours.write_bytes(archive_bytes("x/y:1", [[File("/a", b"1")]], ImageConfig()))
    manifest = [{"Config": "c.json", "RepoTags": ["app:1", "app:latest"], "Layers": []}, {"RepoTags": None}]
    dockers.write_bytes(layer_tar([File("manifest.json", json.dumps(manifest).encode())]))
    assert names_in(ours) == ["x/y:1"]
    assert names_in(dockers) == ["app:1", "app:latest"]


@pytest.mark.parametrize("content", [b"junk", layer_tar([File("a", b"")]), layer_tar([File("index.json", b"{")])])
def test_other_files_are_not_taken_for_archives(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tar"
    path.write_bytes(content)
    with pytest.raises(NotAnArchive, match=r"other\.tar is not an image archive"):
        names_in(path)


def _blob(digest: str) -> str:
    return f"blobs/sha256/{digest.partition(':')[2]}"


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def test_an_archive_is_built_once_and_again_when_a_file_has_changed(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"one")
    wanted = Recipe("x/y:1", ((File("/a", source),),), ImageConfig())
    first = build(wanted, tmp_path / "out")
    stamp = first.stat().st_mtime_ns
    assert build(wanted, tmp_path / "out") == first
    assert first.stat().st_mtime_ns == stamp
    source.write_bytes(b"three")
    second = build(wanted, tmp_path / "out")
    assert second != first
    assert list((tmp_path / "out").iterdir()) == [second]


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(MissingProgram, match="install the package nothing-has-it"):
        build_from_packages("x", {"no-such-program": "nothing-has-it"})


def test_an_unknown_recipe_lists_those_that_there_are() -> None:
    with pytest.raises(UnknownRecipe, match="busybox"):
        recipe("windows")


def test_a_program_comes_with_the_libraries_that_it_loads() -> None:
    collected = {entry.path for entry in image_recipes.collect([Path("/bin/ls")])}
    assert "/usr/bin/ls" in collected
    assert any("libc.so" in path for path in collected)
    assert all(path.startswith("/usr/") for path in collected)


def test_a_recipe_can_be_given_another_name() -> None:
    assert recipe("pause=registry.k8s.io/pause:3.10").reference == "registry.k8s.io/pause:3.10"
    with pytest.raises(InvalidReference):
        recipe("pause=No Such Name")


@pytest.mark.skipif(program(platform.machine()) is None, reason="there is no such program for this kind of machine")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_pause_program_waits_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    executable = program(platform.machine())
    assert executable is not None
    path = tmp_path / "pause"
    path.write_bytes(executable)
    path.chmod(0o755)
    process = subprocess.Popen([path])
    while not Path(f"/proc/{process.pid}/syscall").read_text().startswith("128 "):  # it waits for a signal
        assert process.poll() is None
    process.send_signal(signal.SIGUSR1)
    process.send_signal(signal.SIGCHLD)
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(300) == 0
