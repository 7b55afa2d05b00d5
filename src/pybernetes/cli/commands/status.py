"""`p8s status`: what runs, since when, where its logs are, and what is wrong."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from pybernetes.cli import controllers_health, processes
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.options import command_for, require, which_cluster
from pybernetes.cli.probe import ApiProbe, is_ready
from pybernetes.cli.supervisor import read_record

LEAST_DISK = 200 * 2**20
RECENT_SECONDS = 600
"""How long an end of a process is worth mentioning after it was started again."""

STARTING_SECONDS = 30
"""As long the controllers may be silent."""


@dataclass(slots=True)
class Component:
    name: str
    pid: int | None
    healthy: bool
    memory_mib: int
    starts: int
    log: str
    problem: str = ""


@dataclass(slots=True)
class Report:
    name: str
    data_dir: str
    runtime: str
    server: str
    running: bool
    ready: bool
    components: list[Component] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=list)
    controllers: list[dict[str, Any]] = field(default_factory=list)
    """What each controller here has to do, and what keeps it from it. Empty where another process leads."""

    problems: list[str] = field(default_factory=list)


@click.command(epilog="Exit code: 0 when everything is well, 1 otherwise.")
@which_cluster
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(name: str, data_dir: Path | None, output: str) -> None:
    """Say what runs, where its logs are, and what is wrong."""
    layout, settings = require(name, data_dir)
    report = inspect(layout, settings)
    if output == "json":
        click.echo(json.dumps(asdict(report), indent=2))
    else:
        show(report)
    if report.problems:
        raise SystemExit(1)


def inspect(layout: Layout, settings: Settings) -> Report:
    supervisor = processes.read(layout.pid_file("supervisor"))
    probe = ApiProbe(layout, settings.port)
    ready = supervisor is not None and (layout.pki / "ca.crt").exists() and probe.ready()
    report = Report(
        settings.name,
        str(layout.root),
        settings.runtime,
        f"https://127.0.0.1:{settings.port}",
        running=supervisor is not None,
        ready=ready,
    )
    if supervisor is None:
        report.problems.append(
            f"the cluster is not running: start it with `{command_for(layout, settings.name, 'up')}`"
        )
    history = read_record(layout)
    for part in ("supervisor", *settings.parts):
        report.components.append(_component(part, layout, history.get(part, {})))
    if settings.runtime == "containerd":
        report.components += [_containerd(layout, number) for number in (1, *settings.further_nodes)]
    if processes.read(layout.pid_file("controllers")) is not None:
        _look_at_controllers(report, layout)
    free = shutil.disk_usage(layout.root).free
    if free < LEAST_DISK:
        report.problems.append(f"the disk of {layout.root} is nearly full ({free // 2**20} MiB are free): make room")
    if ready:
        report.nodes = [_node(one) for one in probe.nodes()]
        report.problems += [
            f"node {one['name']} is not Ready: {one['reason']}" for one in report.nodes if not one["ready"]
        ]
        if len(report.nodes) < settings.nodes:
            report.problems.append(
                f"{len(report.nodes)} of {settings.nodes} nodes have registered: read {layout.log_of('node')}"
            )
    elif supervisor is not None:
        report.problems.append(f"the API server is not ready: read {layout.log_of('apiserver')}")
    report.problems += [f"{one.name}: {one.problem}" for one in report.components if one.problem and supervisor]
    probe.close()
    return report


def _look_at_controllers(report: Report, layout: Layout) -> None:
    told = controllers_health.ask(layout)
    if told is None and time.time() - layout.pid_file("controllers").stat().st_mtime < STARTING_SECONDS:
        return
    if told is None:
        report.problems.append(f"the controllers do not say how they are: read {layout.log_of('controllers')}")
        return
    report.controllers = told
    report.problems += [f"controller {one['name']}: {one['problem']}" for one in told if one["problem"]]


def _component(part: str, layout: Layout, history: dict[str, Any]) -> Component:
    process = processes.read(layout.pid_file(part))
    starts = int(history.get("starts", 1 if process else 0))
    problem = ""
    if process is None:
        problem = f"is not running ({history.get('lastExit') or 'was never started'}): read {layout.log_of(part)}"
    elif starts > 1 and time.time() - float(history.get("endedAt", 0)) < RECENT_SECONDS:
        problem = f"was started {starts} times, it last {history.get('lastExit')}: read {layout.log_of(part)}"
    return Component(
        part,
        process.pid if process else None,
        process is not None,
        _memory(process.pid) if process else 0,
        starts,
        str(layout.log_of(part)),
        problem,
    )


def _containerd(layout: Layout, number: int) -> Component:
    """It is the node's, not the supervisor's: the node starts it again."""
    directory = layout.of_node(number).containerd
    log = directory / "containerd.log"
    process = None
    with contextlib.suppress(OSError, ValueError):
        process = processes.of_pid(int((directory / "containerd.pid").read_text()))
    if process is not None and str(directory).encode() not in processes.command_line(process.pid):
        process = None
    problem = "" if process else f"is not running: read {log}"
    memory = _memory(process.pid) if process else 0
    pid = process.pid if process else None
    name = "containerd" if number == 1 else f"containerd-{number}"
    return Component(name, pid, process is not None, memory, int(process is not None), str(log), problem)


def _memory(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * 4096 // 2**20


def _node(document: dict[str, Any]) -> dict[str, Any]:
    conditions = (document.get("status") or {}).get("conditions") or ()
    said = next((one.get("message") or one.get("reason") for one in conditions if one.get("type") == "Ready"), "")
    return {
        "name": document["metadata"]["name"],
        "ready": is_ready(document),
        "reason": said or "it has not reported yet",
    }


def show(report: Report) -> None:
    state = "ready" if report.ready else "running, not ready" if report.running else "stopped"
    click.echo(f"cluster {report.name}: {state} · {report.server} · runtime {report.runtime} · {report.data_dir}")
    rows = [("PART", "PID", "STATE", "MEMORY", "STARTS", "LOG")]
    for one in report.components:
        memory = f"{one.memory_mib} MiB" if one.pid else "-"
        state = "running" if one.healthy else "stopped"
        rows.append((one.name, str(one.pid or "-"), state, memory, str(one.starts), one.log))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())
    for node in report.nodes:
        click.echo(f"node {node['name']}: {'Ready' if node['ready'] else 'not Ready'}")
    for problem in report.problems:
        click.secho(f"! {problem}", fg="red")
    if not report.problems:
        click.secho("nothing is wrong", fg="green")
