from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pybernetes.cli import processes
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.supervisor import FIRST_DELAY, LONGEST_DELAY, delay_after


def test_a_part_that_keeps_failing_is_started_less_and_less_often() -> None:
    delays = [FIRST_DELAY]
    while delays[-1] < LONGEST_DELAY:
        delays.append(delay_after(delays[-1], ran_for=0.1))
    assert delays[1] == 2 * FIRST_DELAY
    assert delays[-1] == LONGEST_DELAY


def test_a_part_that_ran_well_starts_at_once_again() -> None:
    assert delay_after(LONGEST_DELAY, ran_for=120) == FIRST_DELAY


def test_a_pid_that_now_belongs_to_another_process_is_not_ours(tmp_path: Path) -> None:
    file = tmp_path / "part.pid"
    file.write_text(f"{os.getpid()} 1\n")
    assert processes.read(file) is None


def test_a_pid_file_names_the_living_process(tmp_path: Path) -> None:
    file = tmp_path / "part.pid"
    processes.write(file, os.getpid())
    found = processes.read(file)
    assert found is not None
    assert found.pid == os.getpid()


@pytest.mark.parametrize("content", ["", "x y", "1"])
def test_a_broken_pid_file_names_nobody(tmp_path: Path, content: str) -> None:
    file = tmp_path / "part.pid"
    file.write_text(content)
    assert processes.read(file) is None


def test_orphans_are_found_by_their_environment(tmp_path: Path) -> None:
    variable, _, value = processes.environment_marker(tmp_path).partition("=")
    program, environment = ["sh", "-c", "echo on; read end"], {**os.environ, variable: value}
    child = subprocess.Popen(program, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        child.stdout.readline()
        assert [one.pid for one in processes.marked(tmp_path)] == [child.pid]
    finally:
        child.kill()
        child.wait()


def test_a_process_that_ignores_the_request_is_killed() -> None:
    code = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    process = processes.of_pid(child.pid)
    assert process is not None
    reaper = threading.Thread(target=child.wait)
    reaper.start()
    processes.end([process], patience=0.1)
    reaper.join()
    assert child.returncode == -signal.SIGKILL


def test_the_supervisor_starts_a_killed_part_again_and_ends_all_when_told(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.write_settings(Settings(runtime="hollow"))
    layout.run.mkdir()
    code = (
        "import sys; from pathlib import Path; from pybernetes.cli import supervisor; "
        "from pybernetes.cli.layout import Layout, Settings; "
        "supervisor.command_of = lambda part, layout: ['sleep', '1000']; "
        "supervisor.Supervisor(Layout(Path(sys.argv[1])), Settings(), ['apiserver']).run()"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        first = _started(layout, None)
        first.signal(signal.SIGKILL)
        assert child.stdout is not None
        assert "apiserver was ended by SIGKILL" in child.stdout.readline()
        second = _started(layout, first)
    finally:
        child.terminate()
        child.wait()
    assert not second.alive
    assert not layout.pid_file("apiserver").exists()


def _started(layout: Layout, before: processes.Process | None) -> processes.Process:
    """Waits for the part's pid file to name a new process."""
    condition = threading.Event()
    while True:
        found = processes.read(layout.pid_file("apiserver"))
        if found is not None and found != before:
            return found
        condition.wait(0.01)


def test_nothing_heavy_is_imported_by_what_stays_in_memory() -> None:
    heavy = ("click", "rich", "aiohttp", "msgspec", "asyncio")
    code = f"import sys, pybernetes.cli.supervisor; print([m for m in sys.modules if m in {heavy}])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
