"""Running parts until they are told to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from collections.abc import Iterable
from importlib import import_module

import structlog

from pybernetes.cli.layout import Layout, Settings


async def run_parts(parts: Iterable[str], layout: Layout, settings: Settings) -> None:
    """Each part is a module here with `async run(layout, settings)`. Ends on SIGTERM or SIGINT, or when one fails."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()
    assert main is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, main.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        async with asyncio.TaskGroup() as group:
            for part in parts:
                module = import_module(f"pybernetes.cli.parts.{part}")
                group.create_task(module.run(layout, settings), name=part)


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
