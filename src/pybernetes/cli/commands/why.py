"""`p8s why pod NAME`: why a pod is where it is, or why it is nowhere."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pybernetes.cli.layout import DEFAULT_NAME, UnreadableSettings
from pybernetes.cli.options import require, which_cluster
from pybernetes.cli.probe import ApiProbe
from pybernetes.cli.problems import Problem
from pybernetes.cli.scheduler_door import ask_why

KINDS = ("pod", "pods", "po")
EPILOG = """\b
Examples:
  p8s why pod web                  the last decision about default/web
  p8s why pod web -n shop --now    what would be decided now; nothing is
  p8s why pod web --all-nodes      every node, not only the first ones
  p8s why pod web -o json          everything, for programs
"""


def complete_pod(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of pods, from the API server; nothing when it does not answer."""
    given = context.params
    try:
        layout, settings = require(given.get("name") or DEFAULT_NAME, given.get("data_dir"))
    except (Problem, UnreadableSettings):
        return []
    if not (layout.pki / "ca.crt").exists():
        return []
    probe = ApiProbe(layout, settings.port)
    reply = probe.get(f"/api/v1/namespaces/{given.get('namespace') or 'default'}/pods")
    probe.close()
    items = reply.document.get("items") or () if reply is not None and reply.status == 200 else ()
    names = (item["metadata"]["name"] for item in items)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command(epilog=EPILOG)
@click.argument("kind", type=click.Choice(KINDS), metavar="pod")
@click.argument("pod", metavar="NAME", shell_complete=complete_pod)
@click.option("-n", "--namespace", default="default", show_default=True, help="The pod's namespace.")
@click.option("--now", is_flag=True, help="A dry run from the present state, instead of the last decision.")
@click.option("--all-nodes", is_flag=True, help="Show every node, not only the first ten of each kind.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@which_cluster
def why(
    kind: str, pod: str, namespace: str, now: bool, all_nodes: bool, output: str, name: str, data_dir: Path | None
) -> None:
    """Explain why a pod is where it is, or what would have to change for it to be placed.

    Shown are every node's verdict, the scores of each plugin, and for a pending pod the smallest changes that a node
    needs. A pod whose decision is no longer remembered is compared anew, which the answer says.
    """
    layout, _ = require(name, data_dir)
    body = ask_why(layout, namespace, pod, now=now)
    if output == "json":
        click.echo(json.dumps(json.loads(body), indent=2, ensure_ascii=False))
        return
    import msgspec

    from pybernetes.scheduler.explaining.explanation import Explanation
    from pybernetes.scheduler.explaining.text import FEWEST, lines_of

    try:
        explanation = msgspec.json.decode(body, type=Explanation)
    except msgspec.DecodeError as error:
        raise Problem(f"the scheduler's answer cannot be read ({error})", "is it of the same version as p8s") from error
    for line in lines_of(explanation, _paint, None if all_nodes else FEWEST):
        click.echo(line)


def _paint(text: str, colour: str) -> str:
    """`click.echo` takes colours out again where there is no terminal."""
    return click.style(text, fg=colour)
