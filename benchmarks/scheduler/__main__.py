"""Runs scheduler_perf's workloads against a server started for the purpose, or any other given its address."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
import psutil
import uvloop

from benchmarks import cost, life
from benchmarks.connection import Target, trusting
from benchmarks.report import Figure, show
from benchmarks.scheduler import decisions
from benchmarks.scheduler.running import Spent, run
from benchmarks.scheduler.workloads import WORKLOADS, Workload


@click.command(epilog="Example:  python -m benchmarks.scheduler --workload TopologySpreading --nodes 500 --pods 500")
@click.option("--workload", "names", multiple=True, type=click.Choice(sorted(WORKLOADS)), help="All by default.")
@click.option("--nodes", type=int, help="How many, instead of the workload's own number.")
@click.option("--pods", type=int, help="How many are measured; as many for each node as in the workload by default.")
@click.option("--decisions", "deciding", is_flag=True, help="Measure deciding alone, in this process.")
@click.option("--url", help="An API server with a scheduler; without it both are started and removed again.")
@click.option("--token", default="", help="A cluster administrator's bearer token for --url.")
@click.option("--port", type=int, help="Where the started server listens.")
@click.option("--output", "-o", type=click.Choice(["table", "json"]), default="table")
def main(
    names: tuple[str, ...],
    nodes: int | None,
    pods: int | None,
    deciding: bool,
    url: str | None,
    token: str,
    port: int | None,
    output: str,
) -> None:
    """Prints pods bound a second: the average of one-second samples, and percentiles, as scheduler_perf states them."""
    gc.disable()
    figures: list[Figure] = []
    if deciding:
        figures += decisions.measure()
    for name in names or (() if deciding else tuple(WORKLOADS)):
        workload = WORKLOADS[name]
        if url is not None:
            made = _run(Target(url, token, trusting() if url.startswith("https") else None), workload, nodes, pods)
        else:
            made = _run_alone(workload, nodes, pods, port or life.free_port())
        for figure in made:
            click.echo(f"{figure.name}: {figure.value:,.1f} {figure.unit}  {figure.note}", err=True)
        figures += made
    show(figures, as_json=output == "json")


def _run(target: Target, workload: Workload, nodes: int | None, pods: int | None, spent: Spent = dict) -> list[Figure]:
    return uvloop.run(run(target, workload, workload.size.scaled(nodes, pods), spent))


def _run_alone(workload: Workload, nodes: int | None, pods: int | None, port: int) -> list[Figure]:
    """Each workload on a server of its own, and what the processes spend on a pod."""
    with (
        tempfile.TemporaryDirectory(prefix="p8s-bench-", dir=life.roomy()) as text,
        life.server_in(Path(text), port, "scheduler") as (target, _, _),
    ):
        return _run(target, workload, nodes, pods, lambda: _spent(Path(text)))


def _spent(directory: Path) -> Mapping[str, float]:
    """CPU seconds by part, of the processes that work in a directory and of this one."""
    parts = {"client": sum(psutil.Process(os.getpid()).cpu_times()[:2])}
    for one in life.processes_of(directory):
        command = one.cmdline()
        if "--only" in command:
            part = command[command.index("--only") + 1]
            parts[part] = parts.get(part, 0.0) + cost.cpu_seconds(one.pid)
    return parts


if __name__ == "__main__":
    main()
