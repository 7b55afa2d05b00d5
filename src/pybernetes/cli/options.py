"""Options that several commands share."""

from __future__ import annotations

import os
import shlex
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
    """The files of a cluster, whether it was ever started or not. Raises Problem where it is somebody else's."""
    if not NAME_PATTERN.fullmatch(name):
        raise Problem(f"{name!r} is not a cluster name", "use up to 32 lower case letters, digits and dashes")
    layout = layout_of(name, data_dir)
    try:
        owner = layout.settings_file.stat().st_uid
    except (FileNotFoundError, NotADirectoryError):
        return layout
    except PermissionError as error:
        raise Problem(
            f"{layout.root} cannot be read", "name another directory with --data-dir, or run as its owner"
        ) from error
    if os.geteuid() not in (0, owner):
        raise Problem(f"the cluster in {layout.root} is another user's", "run as that user, or with sudo")
    return layout


def require(name: str, data_dir: Path | None) -> tuple[Layout, Settings]:
    """The files and settings of a cluster that was started before."""
    layout = find(name, data_dir)
    settings = layout.read_settings()
    if settings is None:
        raise no_cluster(layout, name)
    return layout, settings


def no_cluster(layout: Layout, name: str) -> Problem:
    return Problem(
        f"there is no cluster in {layout.root}",
        f"start one with `{command_for(layout, name, 'up')}`, or name another with --name or --data-dir",
    )


def command_for(layout: Layout, name: str, command: str) -> str:
    """What a user types to mean the same cluster: `p8s up`, `p8s up --name second`, `p8s up --data-dir DIR`."""
    words = ["p8s", command]
    if name != DEFAULT_NAME:
        words += ["--name", name]
    if layout.root != layout_of(name, None).root:
        words += ["--data-dir", str(layout.root)]
    return shlex.join(words)
