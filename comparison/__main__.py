"""Sends the same requests to two API servers and shows where their answers differ."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from comparison.differences import Ignored, difference
from comparison.options import two_servers
from comparison.requests import Server
from comparison.scenario import Scenario, load

SCENARIOS = Path(__file__).with_name("scenarios")


@click.command(
    epilog="Example:  python -m comparison --url https://127.0.0.1:6443 --token T "
    "--reference https://127.0.0.1:7443 --reference-token R reads"
)
@two_servers
@click.option("--no-headers", is_flag=True, help="Headers do not count.")
@click.option("--ignore", multiple=True, help="A field that does not count, such as managedFields.")
@click.option("--lines", default=40, show_default=True, help="How much to show of a difference.")
@click.argument("names", nargs=-1)
def main(
    url: str,
    token: str,
    reference: str,
    reference_token: str,
    no_headers: bool,
    ignore: tuple[str, ...],
    lines: int,
    names: tuple[str, ...],
) -> None:
    """Runs the scenarios in the files NAMES (all of them by default). Ends with 1 if any answer differs."""
    ignored = Ignored(no_headers, frozenset(ignore))
    ours, theirs = Server(url, token), Server(reference, reference_token)
    paths = [SCENARIOS / f"{name}.yaml" for name in names] or sorted(SCENARIOS.glob("*.yaml"))
    compared = differing = 0
    for path in paths:
        for scenario in load(path):
            compared += len(scenario.steps)
            for title, shown in _differences(scenario, ours, theirs, ignored):
                differing += 1
                click.secho(title, bold=True)
                click.echo("\n".join(shown[:lines]))
    click.echo(f"{compared} requests, {differing} answers differ")
    sys.exit(1 if differing else 0)


def _differences(scenario: Scenario, ours: Server, theirs: Server, ignored: Ignored) -> Iterator[tuple[str, list[str]]]:
    pairs = zip(scenario.run(ours), scenario.run(theirs), strict=True)
    for step, (our_answer, their_answer) in zip(scenario.steps, pairs, strict=True):
        if lines := difference(our_answer, their_answer, ignored):
            yield f"{scenario.name}: {step.method} {step.path}", lines


if __name__ == "__main__":
    main()
