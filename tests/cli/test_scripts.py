"""What scripts/up and scripts/test say before anything is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bootstrap(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "bootstrap", module)
    spec.loader.exec_module(module)
    return module


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("Error: ")
    assert line.endswith(".")
    return line


@pytest.mark.parametrize("script", ["up", "test"])
def test_a_python_that_is_too_old_is_named(script: str, tmp_path: Path) -> None:
    for program in ("bash", "env", "dirname", "readlink"):
        (tmp_path / program).symlink_to(str(shutil.which(program)))
    old = tmp_path / "python3"
    old.write_text('#!/bin/bash\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    command = [str(ROOT / "scripts" / script)]
    done = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: Python 3.11 or newer is needed and this machine has Python 3.9.2: "
        "install python3.11 and run this again.\n"
    )


def test_without_root_up_says_what_works_instead(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit) as ended:
        bootstrap.check_root("up")
    assert ended.value.code == 1
    assert "real containers need root: run `sudo scripts/up`" in refusal(capsys)


def test_without_root_tests_run_as_far_as_they_can(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    bootstrap.check_root("test")
    assert "tests that need real containers are left out" in capsys.readouterr().out


def test_a_full_disk_is_seen_before_anything_is_installed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "DISK_NEEDED", 1 << 60)
    with pytest.raises(SystemExit):
        bootstrap.check_disk()
    assert re.search(r"the disk of \S+ is full \(\d+ MiB are free", refusal(capsys))


def test_an_unknown_distribution_is_told_what_to_install_by_hand(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(bootstrap.shutil, "which", lambda *_, **__: None)
    monkeypatch.setattr(bootstrap, "distribution", lambda: "Slackware 15.0")
    with pytest.raises(SystemExit):
        bootstrap.install_packages()
    line = refusal(capsys)
    assert "this is Slackware 15.0" in line
    assert "install by hand what provides containerd, runc," in line


def test_packages_are_announced_with_their_reason_before_they_are_installed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    installed: list[str] = []
    package = bootstrap.Package("sl", ("/no/such/locomotive",), "is a joke")
    monkeypatch.setattr(bootstrap, "PACKAGES", (package,))
    monkeypatch.setattr(bootstrap, "install", installed.extend)
    with pytest.raises(SystemExit):
        bootstrap.install_packages()
    said = capsys.readouterr()
    assert installed == ["sl"]
    assert "sl                             is a joke" in said.out
    assert "sl did not bring the programs that are needed" in said.err


def test_a_failed_step_is_one_sentence_with_the_command_to_repeat(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bootstrap.run("doing it", ["sh", "-c", "echo first >&2; echo it broke. >&2; exit 3"], dict(os.environ))
    assert "doing it failed (it broke): run `sh -c" in refusal(capsys)


def test_a_disk_that_fills_up_on_the_way_is_called_so(
    bootstrap: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bootstrap.run("installing", ["sh", "-c", "echo 'x: No space left on device' >&2; exit 1"], dict(os.environ))
    assert "the disk became full while installing: make room" in refusal(capsys)


def test_a_second_run_installs_nothing(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: list[str] = []
    program = tmp_path / "bin" / "p8s"
    program.parent.mkdir()
    program.touch()
    (tmp_path / "bin" / "python").touch()
    monkeypatch.setattr(bootstrap, "VENV", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    monkeypatch.setattr(bootstrap, "run", lambda what, *_: steps.append(what))
    bootstrap.make_environment("")
    bootstrap.make_environment("")
    assert steps == ["installing the Python packages"]
    bootstrap.make_environment("[dev]")
    assert len(steps) == 2
    bootstrap.make_environment("")
    bootstrap.make_environment("[dev]")
    assert len(steps) == 2


def program(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)
    return path


def test_the_distributions_python_is_taken_where_it_is_recent(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recent, old = program(tmp_path / "recent", "exit 0"), program(tmp_path / "old", "exit 1")
    monkeypatch.setattr(bootstrap, "DISTRIBUTIONS_PYTHON", (old, tmp_path / "absent", recent))
    assert bootstrap.interpreters() == [str(recent), sys.executable]


def test_a_python_without_ensurepip_gets_the_pip_of_the_one_that_runs(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bare = program(tmp_path / "bare", f'case "$*" in *--without-pip*) exec {sys.executable} "$@";; esac', "exit 1")
    steps: list[list[str]] = []

    def attempt(command: list[str], environment: dict[str, str]) -> bool:
        steps.append(command)
        return "pip" in command or subprocess.run(command, check=False, capture_output=True).returncode == 0

    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    monkeypatch.setattr(bootstrap, "attempt", attempt)
    assert bootstrap.made_by(str(bare))
    assert (tmp_path / "venv" / "bin" / "python").exists()
    assert steps[-1][0] == sys.executable
    assert steps[-1][-3:] == ["install", "--quiet", "pip"]


def test_a_python_that_cannot_make_an_environment_leaves_nothing_behind(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / "venv")
    assert not bootstrap.made_by(str(program(tmp_path / "broken", "exit 1")))
    assert not (tmp_path / "venv").exists()
