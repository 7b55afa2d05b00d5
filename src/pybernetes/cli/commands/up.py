"""`p8s up`: from nothing, from half, or from everything killed, to a cluster that runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from pybernetes.cli import claims, neighbours, preflight, processes, supervisor, sweep
from pybernetes.cli.admission import check_plugins, choose_plugins
from pybernetes.cli.auditing import choose_audit
from pybernetes.cli.cluster_network import check_network, choose_network
from pybernetes.cli.encryption import choose_encryption
from pybernetes.cli.front_proxy import check_front_proxy, choose_front_proxy
from pybernetes.cli.identities import choose_identities
from pybernetes.cli.layout import RUNTIMES, Layout, Settings
from pybernetes.cli.options import command_for, find, which_cluster
from pybernetes.cli.parts.nodes import is_loopback, local_nodes, machine_name, own_address
from pybernetes.cli.probe import ApiProbe, is_ready
from pybernetes.cli.problems import Problem
from pybernetes.cli.scheduling import check_scheduling, choose_scheduling
from pybernetes.cli.secure_ports import choose_secure_ports
from pybernetes.cli.serving import check_serving, choose_serving

READY_SECONDS = 240.0
NODE_SECONDS = 300.0
TOO_MANY_STARTS = 4

EPILOG = """\b
Examples:
  sudo p8s up                              one node with real containers
  sudo p8s up --nodes 3                    three of them, the further ones in networks of their own
  p8s up --runtime hollow --nodes 5        five nodes whose pods only pretend to run; no root needed
  p8s up --name second --port 7443         another cluster beside the first
"""


@click.command(epilog=EPILOG)
@which_cluster
@click.option("--nodes", type=int, help="How many nodes. [default: 1]")
@click.option("--runtime", type=click.Choice(RUNTIMES), help="What runs the containers. [default: containerd]")
@click.option("--store", help="Where objects are kept. [default: sqlite]")
@click.option("--port", type=int, help="The API server's port. [default: 6443]")
@click.option(
    "--resolv-conf",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    help="Who resolves names outside the cluster. [default: /etc/resolv.conf]",
)
@choose_network
@choose_plugins
@choose_scheduling
@choose_serving
@choose_audit
@choose_identities
@choose_encryption
@choose_front_proxy
@choose_secure_ports
@click.option("--wait/--no-wait", default=True, help="Wait until the nodes are Ready. [default: wait]")
def up(name: str, data_dir: Path | None, wait: bool, **given: Any) -> None:
    """Start a cluster on this machine, or bring it back after `down`, a crash or a reboot.

    Options are remembered: a later `p8s up` needs none. What runs already is left alone.
    """
    began = time.monotonic()
    layout = find(name, data_dir)
    settings = settled(layout.read_settings(), name, given)
    check_network(settings)
    check_plugins(settings)
    check_scheduling(settings)
    check_front_proxy(settings)
    check_serving(settings)
    since = start(layout, settings)
    report = Progress()
    probe = ApiProbe(layout, settings.port)
    try:
        wait_for_api(layout, probe, report, began)
        if wait:
            wait_for_nodes(layout, probe, settings, report, began, since)
    except KeyboardInterrupt as interruption:
        status, down = (command_for(layout, name, command) for command in ("status", "down"))
        raise Problem("interrupted, the cluster goes on starting", f"see `{status}`, or `{down}`") from interruption
    finally:
        report.stop()
        probe.close()
    say_hello(layout, settings)


def settled(known: Settings | None, name: str, given: dict[str, Any]) -> Settings:
    """What was asked for now, else what was asked for before, else the defaults."""
    base = known or Settings(name=name)
    return base.with_(**{key: value for key, value in given.items() if value is not None})


def start(layout: Layout, settings: Settings) -> str:
    """Leaves a running cluster alone; otherwise checks the machine, writes the settings and starts the supervisor.

    The answer is the moment from which on a node's sign of life counts.
    """
    with only_one_at_a_time(layout):
        return start_alone(layout, settings)


@contextlib.contextmanager
def only_one_at_a_time(layout: Layout) -> Iterator[None]:
    """Two `p8s up` at once: the second waits, and then finds the cluster running."""
    existing = next(path for path in (layout.root, *layout.root.parents) if path.is_dir())
    directory = os.open(existing, os.O_RDONLY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def start_alone(layout: Layout, settings: Settings) -> str:
    if processes.read(layout.pid_file("supervisor")) is not None:
        if layout.read_settings() != settings:  # settings given now differ from those it was started with
            raise Problem(
                "the cluster runs with other options", "stop it with `p8s down` first, then `p8s up` with the new ones"
            )
        return ""
    orphans = [processes.read(layout.pid_file(part)) for part in reversed(sweep.parts_of(layout))]
    processes.end([one for one in orphans if one], patience=5.0)
    preflight.check(settings, layout.root)
    sweep.sweep_nodes(layout, settings, beyond=settings.nodes if settings.runtime == "containerd" else 1)
    try:
        with neighbours.alone():
            settings = placed(claimed(layout, settings))
            layout.write_settings(settings)
        for directory in (layout.run, layout.logs):
            directory.mkdir(parents=True, exist_ok=True)
    except PermissionError as error:
        raise Problem(
            f"{error.filename} is not writable", "name another directory with --data-dir, or run as its owner"
        ) from error
    prepare_nodes(settings)
    since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) if layout.database.exists() else ""
    supervisor.record_of(layout).unlink(missing_ok=True)  # what ended in an earlier run says nothing about this one
    command = [sys.executable, "-m", "pybernetes.cli.supervisor", str(layout.root)]
    pid = processes.start_detached(command, layout.log_of("supervisor"))
    processes.write(layout.pid_file("supervisor"), pid)
    return since


def claimed(layout: Layout, settings: Settings) -> Settings:
    """The settings with what this cluster alone may use on this machine."""
    others, taken = neighbours.others(layout.root), claims.own_addresses()
    neighbours.enlist(layout.root)
    if layout.read_settings() is None:
        settings = claims.addresses(settings, others, taken)
    settings = claims.node_network(settings, others, taken)
    settings = claims.secure_ports(claims.kubelet_port(settings, others), others)
    return claims.claim(layout, settings)


def placed(settings: Settings) -> Settings:
    """The settings with the name and the address that this machine has now."""
    if settings.runtime != "containerd":
        return settings.with_(node_address="127.0.0.1")
    address = own_address()
    if is_loopback(address) and settings.further_nodes:
        address = local_nodes(settings)[0].address
    return settings.with_(node_address=address, machine_name=machine_name())


def prepare_nodes(settings: Settings) -> None:
    """The network of several nodes: their processes are started in it."""
    if not settings.further_nodes:
        return
    from pybernetes.network.command import CommandFailed
    from pybernetes.network.node_bridge import NodeBridge

    try:
        NodeBridge(settings.name, settings.node_network, settings.pod_cidr).prepare(settings.further_nodes)
    except (CommandFailed, OSError) as error:
        raise Problem("the network of the nodes cannot be made", str(error)) from error


class Progress:
    """A line per step; on a terminal a spinner while the step lasts."""

    def __init__(self) -> None:
        self._status: Any = None

    def begin(self, text: str) -> None:
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True).status(text)
            self._status.start()

    def done(self, text: str) -> None:
        self.stop()
        click.echo(f"{click.style('✓', fg='green')} {text}")

    def stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def wait_for_api(layout: Layout, probe: ApiProbe, report: Progress, began: float) -> None:
    report.begin("the API server starts …")
    deadline = time.monotonic() + READY_SECONDS
    while not ((layout.pki / "ca.crt").exists() and probe.ready()):
        if time.monotonic() > deadline:
            report.stop()
            raise Problem(
                f"the API server does not get ready within {READY_SECONDS:.0f} s",
                f"read {layout.log_of('apiserver')}; `p8s status` says more",
            )
        refuse_if_it_keeps_ending("apiserver", layout, report)
        time.sleep(0.01)
    report.done(f"API server ready on port {layout.read_settings().port} ({time.monotonic() - began:.1f} s)")  # type: ignore[union-attr]


def wait_for_nodes(
    layout: Layout, probe: ApiProbe, settings: Settings, report: Progress, began: float, since: str
) -> None:
    """A node that was Ready before the cluster was stopped counts only when it has shown life since."""
    report.begin("the node gets ready …" if settings.nodes == 1 else f"{settings.nodes} nodes get ready …")
    deadline = time.monotonic() + NODE_SECONDS
    while (ready := ready_nodes(probe, since)) < settings.nodes:
        for part in settings.parts:
            refuse_if_it_keeps_ending(part, layout, report)
        if time.monotonic() > deadline:
            report.stop()
            raise Problem(
                f"{ready} of {settings.nodes} nodes got ready within {NODE_SECONDS:.0f} s",
                f"read {' and '.join(str(layout.log_of(one)) for one in settings.parts if one.startswith('node'))}; "
                "`p8s status` says more",
            )
        time.sleep(0.05)
    ended = f"({time.monotonic() - began:.1f} s)"
    report.done(f"node ready {ended}" if settings.nodes == 1 else f"{settings.nodes} nodes ready {ended}")


def refuse_if_it_keeps_ending(part: str, layout: Layout, report: Progress) -> None:
    if processes.read(layout.pid_file("supervisor")) is None:
        report.stop()
        raise Problem("the cluster ended while it started", f"read {layout.log_of('supervisor')}")
    record = supervisor.read_record(layout).get(part)
    if record is not None and record["starts"] > TOO_MANY_STARTS:
        report.stop()
        reason = last_error(layout.log_of(part)) or record["lastExit"]
        raise Problem(f"the {part} ends again and again ({reason})", f"read {layout.log_of(part)}")


def last_error(log: Path) -> str:
    """The last sentence that a part ended with, if it ended with one."""
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-50:]
        found = (line.removeprefix("Error: ") for line in reversed(lines) if line.startswith("Error: "))
        return next(found, "").rstrip(".")
    return ""


def ready_nodes(probe: ApiProbe, since: str) -> int:
    ready = [one["metadata"]["name"] for one in probe.nodes() if is_ready(one)]
    if not since or not ready:
        return len(ready)
    seen = probe.heartbeats()
    return sum(seen.get(name, "") >= since for name in ready)


def say_hello(layout: Layout, settings: Settings) -> None:
    if settings.runtime == "hollow":
        click.echo("The runtime is hollow: pods are scheduled and reported as running, but no container is started.")
    click.echo(f"kubeconfig: {layout.kubeconfig}\nTry: {command_for(layout, settings.name, 'kubectl')} get nodes")
