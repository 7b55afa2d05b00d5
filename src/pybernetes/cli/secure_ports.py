"""The options for the ports on which controllers and scheduler say how they are.

They are remembered in the settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_PORTS = (
    ("--controller-manager-port", "controllers", 10257),
    ("--scheduler-port", "scheduler", 10259),
)


def choose_secure_ports(function: F) -> F:
    """Upstream's --secure-port, one for each of the two."""
    for option, who, default in reversed(_PORTS):
        text = (
            f"Where the {who} tell health and metrics, on loopback; 0: nowhere. [default: {default}, or the next free]"
        )
        function = click.option(option, type=click.IntRange(0, 65535), help=text)(function)
    return function
