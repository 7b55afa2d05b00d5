"""`p8s down`: stop everything that `up` started, and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pybernetes.cli import sweep
from pybernetes.cli.layout import Settings
from pybernetes.cli.options import command_for, find, which_cluster
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
        raise Problem("this cluster was started by root", f"run `sudo {command_for(layout, name, 'down')}`")
    stopped = sweep.stop_parts(layout)
    if settings.runtime == "containerd":
        sweep.sweep_containers(layout, settings, purge=purge)
        sweep.sweep_machine(layout, settings)
    if purge:
        sweep.purge_files(layout, settings)
    done = "is stopped" if stopped else "was not running; what it had left is removed"
    then = ", and its files are gone." if purge else f". `{command_for(layout, name, 'up')}` brings it back."
    click.echo(f"Cluster {settings.name} {done}{then}")
