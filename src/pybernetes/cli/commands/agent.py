"""`p8s agent`: a node of a cluster whose API server is elsewhere, in the foreground."""

from __future__ import annotations

from pathlib import Path

import click

from pybernetes.cli.layout import RUNTIMES
from pybernetes.cli.problems import NotBuilt


@click.command(epilog="Example:  p8s agent --server https://10.0.0.5:6443 --token abcdef.0123456789abcdef")
@click.option("--server", required=True, help="The API server's URL.")
@click.option("--token", required=True, help="A token from `p8s token create`.")
@click.option("--node-name", help="The node's name. [default: this machine's name]")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="containerd", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where the node keeps its files.")
def agent(server: str, token: str, node_name: str | None, runtime: str, data_dir: Path | None) -> None:
    """Run a node in the foreground and join it to a cluster."""
    raise NotBuilt("p8s agent")
