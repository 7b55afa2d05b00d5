"""Running parts until they are told to end."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine, Iterable
from importlib import import_module
from typing import Any

import structlog

from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.problems import Problem
from pybernetes.store.contract import StoreError


async def run_parts(parts: Iterable[str], layout: Layout, settings: Settings) -> None:
    """Each part is a module here with `async run(layout, settings)`; when one fails, all end."""

    async def run_all() -> None:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                module = import_module(f"pybernetes.cli.parts.{part}")
                group.create_task(module.run(layout, settings), name=part)

    await run_until_told(run_all())


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
