"""A write load that tells what was acknowledged, one line each, until it is killed.

Each transaction writes the same number under two keys; the line is that number once it is durable.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from pybernetes.store import Delete, Put
from pybernetes.store.sqlite import SqliteStore


async def write(store: SqliteStore, worker: int, start: int) -> None:
    number = start
    while True:
        value = b"%d" % number
        old = f"/left/{worker}/{number - 40}", f"/right/{worker}/{number - 40}"
        await store.transact(
            write=[
                Put(f"/left/{worker}/{number}", value),
                Put(f"/right/{worker}/{number}", value),
                *(Delete(key) for key in old),
            ]
        )
        os.write(1, b"%d %d\n" % (worker, number))
        number += 1
        if number % 50 == 0 and worker == 0:
            await store.compact(store.revision - 20)


async def main(path: Path, start: int) -> None:
    store = await SqliteStore.open(path)
    await asyncio.gather(*(write(store, worker, start) for worker in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
