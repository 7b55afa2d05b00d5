"""Measures an API server: this project's, started for the purpose, or any other given its address and a token."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence

import click
import uvloop

from benchmarks import api, fixture, life, scheduler
from benchmarks.connection import Target, trusting
from benchmarks.report import Figure, show

SUITES = ("api", "scheduler", "life", "fixture")


@click.command(epilog="Example:  python -m benchmarks --only api --url https://127.0.0.1:6443 --token …")
@click.option("--url", help="An API server that runs already; without it a cluster is started and removed again.")
@click.option("--token", default="", help="A cluster administrator's bearer token for --url.")
@click.option("--server-pid", type=int, help="The server's process, to measure its CPU time.")
@click.option("--only", multiple=True, type=click.Choice(SUITES), help="Which measurements; all of them by default.")
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table")
def main(url: str | None, token: str, server_pid: int | None, only: tuple[str, ...], output: str) -> None:
    """Prints what was measured beside what is to be reached."""
    wanted = only or SUITES
    # What is measured is the server: the client must not stop to look for garbage while it takes times.
    gc.disable()
    figures: list[Figure] = []
    if url is not None:
        tls = trusting() if url.startswith("https") else None
        figures += uvloop.run(_collect(Target(url, token, tls), server_pid, wanted))
    else:
        if "life" in wanted:
            figures += life.measure()
        if "fixture" in wanted:
            figures += fixture.measure()
        if "api" in wanted:
            with life.running_server() as (target, pid):
                figures += uvloop.run(_collect(target, pid, ("api",)))
        if "scheduler" in wanted:
            with life.running_server("scheduler") as (target, pid):
                figures += uvloop.run(_collect(target, pid, ("scheduler",)))
    show(figures, as_json=output == "json")


async def _collect(target: Target, server_pid: int | None, wanted: Sequence[str]) -> list[Figure]:
    async def figures() -> AsyncIterator[Figure]:
        if "api" in wanted:
            async for figure in api.measure(target, server_pid):
                yield figure
        if "scheduler" in wanted:
            async for figure in scheduler.measure(target):
                yield figure

    collected = []
    async for figure in figures():
        click.echo(f"{figure.name}: {figure.value:,.1f} {figure.unit}  {figure.note}", err=True)
        collected.append(figure)
    return collected


if __name__ == "__main__":
    main()
