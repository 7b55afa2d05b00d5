"""Measures an API server: this project's, started for the purpose, or any other given its address and a token."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence

import click
import uvloop

from benchmarks import controllers, fixture, large, life, scheduler
from benchmarks.api import rounds
from benchmarks.connection import Target, trusting
from benchmarks.report import Figure, show

SUITES = ("api", "scheduler", "life", "fixture", "large", "controllers")


@click.command(epilog="Example:  python -m benchmarks --only api --url https://127.0.0.1:6443 --token …")
@click.option("--url", help="An API server that runs already; without it a cluster is started and removed again.")
@click.option("--token", default="", help="A cluster administrator's bearer token for --url.")
@click.option("--server-pid", type=int, help="The server's process, to measure its CPU time.")
@click.option("--against", help="Another API server: rounds alternate between the two, and ratios are stated.")
@click.option("--against-token", default="", help="A cluster administrator's bearer token for --against.")
@click.option("--against-pid", type=int, help="Its process.")
@click.option("--only", multiple=True, type=click.Choice(SUITES), help="Which measurements; all of them by default.")
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table")
def main(
    url: str | None,
    token: str,
    server_pid: int | None,
    against: str | None,
    against_token: str,
    against_pid: int | None,
    only: tuple[str, ...],
    output: str,
) -> None:
    """Prints what was measured beside what is to be reached."""
    wanted = only or SUITES
    # What is measured is the server: the client must not stop to look for garbage while it takes times.
    gc.disable()
    figures: list[Figure] = []
    other = (_target(against, against_token), against_pid) if against else None
    if url is not None:
        figures += uvloop.run(_collect((_target(url, token), server_pid), other, wanted))
    else:
        if "life" in wanted:
            figures += life.measure()
        if "fixture" in wanted:
            figures += fixture.measure()
        if "large" in wanted:
            figures += large.measure()
        if "controllers" in wanted:
            figures += controllers.measure()
        if "api" in wanted:
            with life.running_server() as subject:
                figures += uvloop.run(_collect(subject, other, ("api",)))
        if "scheduler" in wanted:
            with life.running_server("scheduler") as subject:
                figures += uvloop.run(_collect(subject, None, ("scheduler",)))
    show(figures, as_json=output == "json")


def _target(url: str, token: str) -> Target:
    return Target(url, token, trusting() if url.startswith("https") else None)


async def _collect(subject: rounds.Subject, against: rounds.Subject | None, wanted: Sequence[str]) -> list[Figure]:
    async def figures() -> AsyncIterator[Figure]:
        if "api" in wanted:
            async for figure in rounds.measure(subject, against):
                yield figure
        if "scheduler" in wanted:
            async for figure in scheduler.measure(subject[0]):
                yield figure

    collected = []
    async for figure in figures():
        beside = "" if figure.ratio is None else f"  {figure.ratio:.2f}×"
        click.echo(f"{figure.name}: {figure.value:,.1f} {figure.unit}{beside}  {figure.note}", err=True)
        collected.append(figure)
    return collected


if __name__ == "__main__":
    main()
