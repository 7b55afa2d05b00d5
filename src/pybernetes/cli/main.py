"""p8s: the group of all commands. Each is imported only when it is used."""

from __future__ import annotations

import os
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import click

from pybernetes import KUBERNETES_VERSION, __version__
from pybernetes.cli.layout import UnreadableSettings
from pybernetes.cli.problems import Problem

COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("pybernetes.cli.commands.up:up", "Start a cluster on this machine, or bring it back."),
    "down": ("pybernetes.cli.commands.down:down", "Stop a cluster and everything it started."),
    "status": ("pybernetes.cli.commands.status:status", "Say what runs, where its logs are, and what is wrong."),
    "kubectl": ("pybernetes.cli.commands.kubectl:kubectl", "Run kubectl against the cluster."),
    "image": ("pybernetes.cli.commands.image:image", "Build, load and list images."),
    "token": ("pybernetes.cli.commands.token:token", "Create tokens for administrators and agents."),
    "server": ("pybernetes.cli.commands.server:server", "Run the control plane, or a part of it, in the foreground."),
    "agent": ("pybernetes.cli.commands.agent:agent", "Run a node in the foreground."),
    "completion": ("pybernetes.cli.commands.completion:completion", "Print the completion script of a shell."),
    "why": ("pybernetes.cli.commands.why:why", "Explain why a pod is where it is, or nowhere."),
    "simulate": ("pybernetes.cli.commands.simulate:simulate", "Try where pods would go, without a cluster."),
    "backup": ("pybernetes.cli.commands.unbuilt:backup", "Save a cluster's state (not built yet)."),
    "restore": ("pybernetes.cli.commands.unbuilt:restore", "Bring a saved state back (not built yet)."),
    "migrate": ("pybernetes.cli.commands.unbuilt:migrate", "Move a cluster to another store (not built yet)."),
}


class LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(args[0], COMMANDS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else "See 'p8s --help'."
            raise click.UsageError(f"There is no command {args[0]!r}. {hint}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UnreadableSettings as error:
            do = (
                "put it right, or remove it and give the options again with `p8s up`"
                if error.is_broken
                else "name another directory with --data-dir, or run as its owner"
            )
            raise Problem(str(error), do) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


EPILOG = """\b
Examples:
  p8s up                          a cluster with real containers (root)
  p8s up --runtime hollow         the same without root; pods only pretend to run
  p8s kubectl get nodes           kubectl, already connected
  p8s down                        stop it; objects and images are kept
"""


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{__version__} (Kubernetes {KUBERNETES_VERSION})", prog_name="p8s")
def main() -> None:
    """Kubernetes on this machine, in Python."""
    # su and cron leave out where nft and ip are; the processes that are started inherit this.
    os.environ["PATH"] = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


if __name__ == "__main__":
    main()
