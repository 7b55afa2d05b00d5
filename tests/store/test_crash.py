"""Kills a writing process with SIGKILL, again and again, and looks at what it left."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from pybernetes.store.check import violations
from pybernetes.store.sqlite import SqliteStore

CRASHES = 60
WINDOW = 40
"""How many of its latest numbers the load keeps; it deletes older ones."""
LOAD = Path(__file__).with_name("crash_load.py")


def write_until_killed(path: Path, start: int, lines: int) -> dict[int, int]:
    """The last number that each worker was told is durable; killed after ``lines`` lines."""
    with subprocess.Popen([sys.executable, str(LOAD), str(path), str(start)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        heard += process.stdout.readlines()
    last: dict[int, int] = {}
    for line in heard:
        if line.endswith(b"\n"):
            worker, number = map(int, line.split())
            last[worker] = number
    return last


async def test_no_crash_loses_an_acknowledged_write_or_leaves_half_of_one(tmp_path: Path) -> None:
    path, chance, start = tmp_path / "store.db", random.Random(4711), 1000
    for _ in range(CRASHES):
        acknowledged = write_until_killed(path, start, chance.randrange(1, 400))
        assert acknowledged
        store = await SqliteStore.open(path)
        assert list(violations(store.state)) == []
        numbers: dict[str, dict[int, set[int]]] = {"left": defaultdict(set), "right": defaultdict(set)}
        for entry in (await store.range("/")).entries:
            _, side, worker, number = entry.key.split("/")
            assert entry.value == number.encode()
            numbers[side][int(worker)].add(int(number))
        await store.close()
        assert numbers["left"] == numbers["right"]
        for worker, number in acknowledged.items():
            # One more transaction of the worker may have been under way, with its deletion.
            owed = range(max(start, number - WINDOW + 2), number + 1)
            assert set(owed) <= numbers["left"][worker], (worker, number)
        start = 1 + max(max(kept) for kept in numbers["left"].values()) + WINDOW
