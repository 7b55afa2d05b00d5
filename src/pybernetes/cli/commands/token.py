"""`p8s token create`: bearer tokens, printed once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click

from pybernetes.cli.options import find, which_cluster
from pybernetes.cli.problems import Problem


@click.group()
def token() -> None:
    """Create tokens for administrators and agents."""


@token.command(epilog="Example:  p8s token create --admin")
@which_cluster
@click.option("--admin", is_flag=True, help="A cluster administrator's token, instead of one that agents join with.")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    help="How long it is valid. [default: for ever; 24 for agents]",
)
def create(name: str, data_dir: Path | None, admin: bool, hours: float | None) -> None:
    """Print a new bearer token. It is valid at once and cannot be shown again."""
    from pybernetes.apiserver.auth.tokens import TokenFile

    layout = find(name, data_dir)
    if not layout.root.exists():
        raise Problem(f"there is no cluster in {layout.root}", "start one with `p8s up` or `p8s server`")
    tokens = TokenFile(layout.tokens)
    try:
        if admin:
            click.echo(tokens.add_admin(lifetime=timedelta(hours=hours) if hours else None))
        else:
            click.echo(tokens.add_join(lifetime=timedelta(hours=hours or 24)))
    except PermissionError as error:
        raise Problem(
            f"{layout.tokens} is not writable", "run as the cluster's owner (`sudo p8s token create …`)"
        ) from error
