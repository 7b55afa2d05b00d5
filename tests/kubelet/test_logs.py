"""Container logs: reading, following, rotation, links."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pybernetes.kubelet.log_format import LogOptionError, LogOptions, parse_line
from pybernetes.kubelet.logs import LogPlaces, LogRotator, RotationPolicy, read_log, rotated_logs, tail_offset
from pybernetes.kubelet.runtime import ContainerConfig, RuntimeFailure, SandboxConfig
from pybernetes.kubelet.runtime.hollow import HollowRuntime
from pybernetes.kubelet.runtime.labels import container_labels

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    """Every look is a second later, so that rotated files have different names."""

    def __init__(self) -> None:
        self.looks = 0

    def now(self) -> datetime:
        self.looks += 1
        return NOW + timedelta(seconds=self.looks)


def line(text: str, *, stream: str = "stdout", tag: str = "F", seconds: int = 0) -> bytes:
    return f"2026-01-01T12:00:{seconds:02}.000000001Z {stream} {tag} {text}\n".encode()


async def never() -> bool:
    return False


async def read(path: Path, options: LogOptions) -> bytes:
    return b"".join([piece async for piece in read_log(path, options, never)])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "0.log"
    path.write_bytes(
        line("one", seconds=1)
        + line("two", stream="stderr", seconds=2)
        + line("thr", tag="P", seconds=3)
        + line("ee", seconds=3)
        + line("", seconds=4)
        + line("five", seconds=5)
    )
    return path


async def test_a_log_is_its_texts_with_cut_lines_joined(log: Path) -> None:
    assert await read(log, LogOptions()) == b"one\ntwo\nthree\n\nfive\n"


async def test_timestamps_stand_at_the_beginning_of_whole_lines(log: Path) -> None:
    lines = (await read(log, LogOptions(timestamps=True))).splitlines()
    assert lines[2] == b"2026-01-01T12:00:03.000000001Z three"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (LogOptions(tail_lines=0), b""),
        (LogOptions(tail_lines=2), b"\nfive\n"),
        (LogOptions(tail_lines=100), b"one\ntwo\nthree\n\nfive\n"),
        (LogOptions(since=NOW + timedelta(seconds=4)), b"\nfive\n"),
        (LogOptions(limit_bytes=5), b"one\nt"),
        (LogOptions(stream="stderr"), b"two\n"),
    ],
)
async def test_only_what_is_asked_for_is_given(log: Path, options: LogOptions, expected: bytes) -> None:
    assert await read(log, options) == expected


async def test_a_line_that_is_still_being_written_waits_for_its_end(log: Path) -> None:
    with log.open("ab") as file:
        file.write(line("six")[:-3])
    assert (await read(log, LogOptions())).endswith(b"five\n")


async def test_following_goes_on_over_a_rotation_and_ends_with_the_container(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_bytes(line("before"))
    steps: Iterator[bool] = iter((True, False))
    writer = path.open("ab")

    async def running() -> bool:
        """Each time it is asked, something has happened meanwhile."""
        alive = next(steps)
        if alive:
            writer.write(line("last of the old file"))
            writer.close()
            path.rename(tmp_path / "0.log.20260101-120000")
            path.write_bytes(line("first of the new file"))
        else:
            with path.open("ab") as file:
                file.write(line("written at the very end"))
        return alive

    pieces = [piece async for piece in read_log(path, LogOptions(follow=True), running)]
    assert b"".join(pieces).splitlines() == [
        b"before",
        b"last of the old file",
        b"first of the new file",
        b"written at the very end",
    ]


@pytest.mark.parametrize("lines", [1, 999, 5000, 10_000, 20_000])
def test_the_tail_of_a_long_log_is_found_from_its_end(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "long.log"
    everything = [line(f"{number:060}") for number in range(10_000)]
    path.write_bytes(b"".join(everything))
    with path.open("rb") as file:
        file.seek(tail_offset(file, lines))
        assert file.read() == b"".join(everything[-lines:])


def test_lines_in_another_format_are_told_apart() -> None:
    assert parse_line(b"2026-01-01T12:00:00Z stdout F text with spaces") is not None
    assert parse_line(b"2026-01-01T12:00:00Z nowhere F text") is None
    assert parse_line(b"") is None


def test_options_are_read_as_the_api_writes_them() -> None:
    query = {"follow": "true", "tailLines": "5", "sinceSeconds": "60", "limitBytes": "10", "timestamps": "1"}
    assert LogOptions.from_query(query, NOW) == LogOptions(
        follow=True, tail_lines=5, since=NOW - timedelta(minutes=1), limit_bytes=10, timestamps=True
    )
    assert LogOptions.from_query({"sinceTime": "2026-01-01T12:00:00Z"}, NOW).since == NOW


@pytest.mark.parametrize("query", [{"tailLines": "many"}, {"tailLines": "-1"}, {"sinceTime": "yesterday"}])
def test_options_that_make_no_sense_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(LogOptionError):
        LogOptions.from_query(query, NOW)


# ---- rotation and links --------------------------------------------------------------------------------------------


class WritingRuntime(HollowRuntime):
    """Begins a new log when told, or fails to."""

    def __init__(self, path: Path) -> None:
        super().__init__(Clock())
        self.path = path
        self.fails = False

    async def reopen_log(self, container_id: str) -> None:
        if self.fails:
            raise RuntimeFailure("ReopenContainerLog", "no")
        self.path.write_bytes(b"")


@pytest.fixture
async def rotating(tmp_path: Path) -> tuple[WritingRuntime, LogRotator, Path]:
    places = LogPlaces(tmp_path, None)
    path = tmp_path / "ns_pod_uid" / "main" / "0.log"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    runtime = WritingRuntime(path)
    pod = SandboxConfig("pod", "ns", "uid")
    image = await runtime.pull_image("busybox")
    config = ContainerConfig("main", image, labels=container_labels("pod", "ns", "uid", "main"))
    container = await runtime.create_container(await runtime.run_sandbox(pod), config, pod)
    await runtime.start_container(container)
    return runtime, LogRotator(runtime, places, Clock(), RotationPolicy(max_size=100, max_files=3)), path


async def test_rotation_keeps_as_many_files_as_it_may(rotating: tuple[WritingRuntime, LogRotator, Path]) -> None:
    _, rotator, path = rotating
    for number in range(5):
        path.write_bytes(f"{number}".encode() * 200)
        await rotator.rotate_all()
    old, newest = rotated_logs(path)
    assert gzip.decompress(old.read_bytes()) == b"3" * 200
    assert newest.read_bytes() == b"4" * 200
    assert path.read_bytes() == b""


async def test_a_small_log_is_left_alone(rotating: tuple[WritingRuntime, LogRotator, Path]) -> None:
    _, rotator, path = rotating
    path.write_bytes(b"x" * 100)
    await rotator.rotate_all()
    assert rotated_logs(path) == []


async def test_a_log_that_cannot_be_reopened_stays_where_it_was(
    rotating: tuple[WritingRuntime, LogRotator, Path],
) -> None:
    runtime, rotator, path = rotating
    path.write_bytes(b"x" * 200)
    runtime.fails = True
    with pytest.raises(RuntimeFailure):
        await rotator.rotate_all()
    assert path.read_bytes() == b"x" * 200


def test_links_are_made_for_containers_and_removed_with_their_logs(tmp_path: Path) -> None:
    places = LogPlaces(tmp_path / "pods", tmp_path / "containers")
    target = tmp_path / "pods" / "ns_pod_uid" / "main" / "0.log"
    target.parent.mkdir(parents=True)
    target.write_bytes(b"text")
    places.link("ns", "pod", "main", "abc", target)
    link = tmp_path / "containers" / "pod_ns_main-abc.log"
    assert link.read_bytes() == b"text"
    places.remove_dead_links()
    assert link.exists()
    places.remove_pod_logs("ns", "pod", "uid")
    places.remove_dead_links()
    assert not link.is_symlink()
