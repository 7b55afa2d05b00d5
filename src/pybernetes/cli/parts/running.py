"""Running parts until they are told to end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
import sys
from collections.abc import Callable, Collection, Coroutine, Iterable
from functools import partial
from importlib import import_module
from typing import Any, NoReturn

import structlog

from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.problems import Problem
from pybernetes.store.contract import StoreError

SHARING = ("controllers", "scheduler")
"""Parts that watch the same objects: in one process they have them once."""
GARBAGE_THRESHOLDS = 20_000, 20, 50
"""Informers and caches are many objects that stay. Looked through as often as Python does by itself, they cost a
process that follows many pods three times what reading them does."""


def run_process(parts: Collection[str], layout: Layout, settings: Settings) -> None:
    """The rest of a long-running process, which ends here. Import `lean` before this module. Raises Problem."""
    import uvloop

    from pybernetes.cli import lean

    configure_logs()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().call_later(lean.SETTLED_AFTER, lean.settle)
        runner.run(run_parts(parts, layout, settings))
    leave()


def leave() -> NoReturn:
    """The end of a process whose parts have ended. To take its objects apart can take longer than to start again."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def run_parts(parts: Collection[str], layout: Layout, settings: Settings) -> None:
    """Each part is a module here with `async run(layout, settings)`; when one fails, all end.

    `node-2` is the part `node` for the second node."""
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    sharing = SHARING if set(SHARING) <= set(parts) else ()

    async def run_all() -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                if part not in sharing:
                    group.create_task(_part(part)(layout, settings), name=part)
            if sharing:
                group.create_task(_run_together(sharing, layout, settings), name="+".join(sharing))

    await run_until_told(run_all())


def _part(name: str) -> Callable[..., Coroutine[Any, Any, None]]:
    module, _, number = name.partition("-")
    run: Callable[..., Coroutine[Any, Any, None]] = import_module(f"pybernetes.cli.parts.{module}").run
    return partial(run, number=int(number)) if number else run


async def _run_together(parts: Iterable[str], layout: Layout, settings: Settings) -> None:
    """With the informers of one client, the controllers': it may see everything."""
    from pybernetes.apiserver.auth.pki import Pki
    from pybernetes.cli.parts.clients import client_as, close
    from pybernetes.client import Informers

    client = client_as(Pki.controller_manager, layout, settings, "p8s-informers")
    informers = Informers(client, random.Random())
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(informers.run(), name="informers")
            for part in parts:
                group.create_task(_part(part)(layout, settings, informers), name=part)
    finally:
        await close(client)


async def run_until_told(work: Coroutine[Any, Any, None]) -> None:
    """Ends on SIGTERM or SIGINT, or when the work does; a failure that a user can mend is raised alone."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return
    except BaseExceptionGroup as failures:
        problems = failures.subgroup(lambda one: isinstance(one, Problem | StoreError))
        if problems is None:
            raise
        first: BaseException = problems
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first if isinstance(first, Problem) else Problem("the store cannot be used", str(first)) from first


def configure_logs(*, quiet: bool = False) -> None:
    """To standard error; `quiet` leaves only warnings and worse."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING if quiet else logging.INFO),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.LogfmtRenderer(key_order=("timestamp", "level", "event"), bool_as_flag=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
