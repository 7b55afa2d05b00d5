"""Which two servers are compared."""

from __future__ import annotations

from collections.abc import Callable

import click

Command = Callable[..., None]
_SERVERS = (
    click.option("--url", required=True, help="The server that is looked at."),
    click.option("--token", required=True, help="A cluster administrator's bearer token for it."),
    click.option("--reference", required=True, help="The server that says what is right."),
    click.option("--reference-token", required=True, help="A cluster administrator's bearer token for it."),
)


def two_servers(command: Command) -> Command:
    """Adds the options url, token, reference and reference_token."""
    for option in reversed(_SERVERS):
        command = option(command)
    return command
