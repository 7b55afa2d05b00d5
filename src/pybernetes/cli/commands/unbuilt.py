"""Commands of the contract that do not exist yet: they say so, change nothing and fail."""

from __future__ import annotations

import click

from pybernetes.cli.problems import NotBuilt


def _unbuilt(name: str) -> click.Command:
    @click.command(
        name,
        context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]},
        help=f"`p8s {name}` is not built yet.",
    )
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def command(arguments: tuple[str, ...]) -> None:
        raise NotBuilt(f"p8s {name}")

    return command


backup = _unbuilt("backup")
restore = _unbuilt("restore")
migrate = _unbuilt("migrate")
