"""/statusz and /flagz as plain text for people, alike for every component.

Follows k8s.io/component-base/zpages.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

NOT_FOR_MACHINES = (
    "Warning: This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees "
    "and is for debugging purposes only."
)


def title(component: str, page: str) -> str:
    """``page`` is `statusz` or `flagz`."""
    return f"\n{component} {page}\n{NOT_FOR_MACHINES}\n"


def status(started: datetime, lived: int, language: str, version: str, emulated: str, paths: Iterable[str]) -> str:
    """``lived`` is in seconds; ``language`` is a line of its own, such as `Go version: `."""
    minutes, seconds = divmod(lived, 60)
    hours, minutes = divmod(minutes, 60)
    lines = (
        "",
        f"Started: {started:%a %b} {started.day:2} {started:%H:%M:%S} UTC {started.year}",
        f"Up: {hours} hr {minutes:02} min {seconds:02} sec",
        language,
        f"Binary version: {version}",
        f"Emulation version: {emulated}",
        f"Paths: {' '.join(paths)}",
        "",
    )
    return "\n".join(lines)
