"""`p8s down`: stop everything that `up` started, and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pybernetes.cli import sweep
from pybernetes.cli.layout import Settings
from pybernetes.cli.options import find, which_cluster
from pybernetes.cli.problems import Problem


@click.command(epilog="Example:  p8s down --purge   forgets the cluster altogether")
@which_cluster
@click.option("--purge", is_flag=True, help="Remove all files too: objects, images, certificates, logs.")
def down(name: str, data_dir: Path | None, purge: bool) -> None:
    """Stop a cluster: processes, containers, mounts, network. Objects and images are kept unless --purge is given.

    Also cleans up after a crash. Stopping a cluster that does not run is no error.
    """
    layout = find(name, data_dir)
    settings = layout.read_settings()
    if settings is None and not layout.root.exists():
        click.echo(f"There is no cluster in {layout.root}.")
        return
    settings = settings or Settings(name=name)
    if settings.runtime == "containerd" and os.geteuid() != 0:
        raise Problem("this cluster was started by root", "run `sudo p8s down`")
    stopped = sweep.stop_parts(layout)
    if settings.runtime == "containerd":
        sweep.sweep_containers(layout, settings, purge=purge)
        sweep.sweep_machine(layout, settings)
    if purge:
        sweep.purge_files(layout, settings)
    click.echo(_words(settings.name, stopped=bool(stopped), purged=purge))


def _words(name: str, *, stopped: bool, purged: bool) -> str:
    done = f"Cluster {name} is stopped" if stopped else f"Cluster {name} was not running; what it had left is removed"
    return f"{done}, and its files are gone." if purged else f"{done}. `p8s up` brings it back."
