"""`p8s agent`: a node of a cluster whose API server is elsewhere, in the foreground."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from pybernetes.cli.layout import DEFAULT_NAME, RUNTIMES, default_directory
from pybernetes.cli.problems import NotBuilt, Problem


@click.command(
    epilog="Example:  p8s agent --server https://10.0.0.5:6443 --token abcdef.0123456789abcdef --runtime hollow"
)
@click.option("--server", required=True, help="The API server's URL.")
@click.option("--token", required=True, help="A token from `p8s token create`.")
@click.option("--node-name", help="The node's name. [default: this machine's name]")
@click.option("--runtime", type=click.Choice(RUNTIMES), default="containerd", show_default=True)
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where the node keeps its files.")
@click.option(
    "--certificate-authority",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The server's pki/ca.crt. [default: that of the cluster on this machine]",
)
def agent(
    server: str,
    token: str,
    node_name: str | None,
    runtime: str,
    data_dir: Path | None,
    certificate_authority: Path | None,
) -> None:
    """Run a node in the foreground and join it to a cluster. Only hollow nodes can join so far."""
    if runtime != "hollow":
        raise NotBuilt("p8s agent --runtime containerd")
    from pybernetes.cli.parts.agent import Agent
    from pybernetes.cli.parts.nodes import machine_name
    from pybernetes.cli.parts.running import configure_logs, run_until_told

    name = node_name or machine_name()
    authority = certificate_authority or default_directory(DEFAULT_NAME) / "pki" / "ca.crt"
    if not authority.exists():
        raise Problem(
            "the authority of the server's certificate is unknown",
            "copy pki/ca.crt from the server's data directory and name it with --certificate-authority",
        )
    directory = data_dir or default_directory(f"agent-{name}")
    configure_logs()
    asyncio.run(run_until_told(Agent(server.rstrip("/"), token, name, authority, directory).run()))
