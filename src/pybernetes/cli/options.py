"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pybernetes.cli.layout import DEFAULT_NAME, NAME_PATTERN, Layout, Settings, layout_of
from pybernetes.cli.problems import Problem

F = TypeVar("F", bound=Callable[..., Any])


def which_cluster(function: F) -> F:
    """--name and --data-dir."""
    function = click.option(
        "--data-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="PYBERNETES_DATA_DIR",
        help="Where the cluster keeps its files. [default: by name, under /var/lib/pybernetes for root]",
    )(function)
    return click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")(function)


def find(name: str, data_dir: Path | None) -> Layout:
    if not NAME_PATTERN.fullmatch(name):
        raise Problem(f"{name!r} is not a cluster name", "use up to 32 lower case letters, digits and dashes")
    return layout_of(name, data_dir)


def require(name: str, data_dir: Path | None) -> tuple[Layout, Settings]:
    """The files and settings of a cluster that was started before."""
    layout = find(name, data_dir)
    settings = layout.read_settings()
    if settings is None:
        raise Problem(
            f"there is no cluster in {layout.root}", "start one with `p8s up`, or name another with --data-dir"
        )
    return layout, settings
