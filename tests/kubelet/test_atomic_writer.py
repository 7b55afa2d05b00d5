"""The atomic writer: whatever was there before, the directory shows the payload, all at once."""

from __future__ import annotations

import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pybernetes.kubelet.volumes import atomic_writer
from pybernetes.kubelet.volumes.atomic_writer import File, InvalidPayload

NOW = datetime(2030, 1, 1, tzinfo=UTC)

names = st.sampled_from(["a", "b", "c.txt", "key-1"])
paths = st.one_of(names, st.builds("{}/{}".format, st.sampled_from(["dir", "sub"]), names))
files = st.builds(File, st.binary(max_size=8), st.sampled_from([0o400, 0o600, 0o644]))
payloads = st.dictionaries(paths, files, max_size=5)


def shown(directory: Path) -> dict[str, tuple[bytes, int]]:
    """What a reader finds who looks only at names that do not begin with two dots."""
    found: dict[str, tuple[bytes, int]] = {}
    for top in directory.iterdir():
        if top.name.startswith(".."):
            continue
        inside = [path for path in top.rglob("*") if path.is_file()] if top.is_dir() else [top]
        for path in inside:
            found[str(path.relative_to(directory))] = (path.read_bytes(), path.stat().st_mode & 0o777)
    return found


@settings(max_examples=60)
@given(st.lists(payloads, min_size=1, max_size=4))
def test_the_directory_shows_the_last_payload(history: list[dict[str, File]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for payload in history:
            atomic_writer.write(directory, payload, None, NOW)
            assert shown(directory) == {path: (file.data, file.mode) for path, file in payload.items()}
            assert not atomic_writer.write(directory, payload, None, NOW)
        versions = [p for p in directory.iterdir() if p.name.startswith("..2")]
        assert [p.name for p in versions] == [os.readlink(directory / "..data")]


def test_an_open_file_keeps_its_content_while_the_names_change(tmp_path: Path) -> None:
    atomic_writer.write(tmp_path, {"key": File(b"one")}, None, NOW)
    with (tmp_path / "key").open("rb") as reader:
        atomic_writer.write(tmp_path, {"key": File(b"two")}, None, NOW)
        assert reader.read() == b"one"
    assert (tmp_path / "key").read_bytes() == b"two"


def test_a_link_that_was_left_behind_does_not_matter(tmp_path: Path) -> None:
    atomic_writer.write(tmp_path, {"key": File(b"one")}, None, NOW)
    (tmp_path / "..data_tmp").symlink_to("nowhere")
    atomic_writer.write(tmp_path, {"other": File(b"two")}, None, NOW)
    assert shown(tmp_path) == {"other": (b"two", 0o644)}


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../up", "a/../../up", "..data", "x" * 300])
def test_a_path_that_leads_elsewhere_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidPayload):
        atomic_writer.write(tmp_path, {path: File(b"")}, None, NOW)


def test_a_group_may_read_what_is_projected_for_it(tmp_path: Path) -> None:
    atomic_writer.write(tmp_path, {"key": File(b"one", 0o400)}, os.getgid(), NOW)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o440
