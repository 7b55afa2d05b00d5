"""`p8s server`: the control plane, or any part of it, in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pybernetes.cli import preflight
from pybernetes.cli.admission import check_plugins, choose_plugins
from pybernetes.cli.auditing import choose_audit
from pybernetes.cli.cluster_network import check_network, choose_network
from pybernetes.cli.controllers import check_controllers, choose_controllers
from pybernetes.cli.encryption import choose_encryption
from pybernetes.cli.front_proxy import check_front_proxy, choose_front_proxy
from pybernetes.cli.identities import choose_identities
from pybernetes.cli.options import find, which_cluster
from pybernetes.cli.problems import Problem
from pybernetes.cli.scheduling import check_scheduling, choose_scheduling
from pybernetes.cli.secure_ports import choose_secure_ports
from pybernetes.cli.serving import check_serving, choose_serving
from pybernetes.cli.unbuilt_flags import choose_none_of_these

PARTS = ("apiserver", "controllers", "scheduler")


EPILOG = """\b
Examples:
  p8s server --data-dir /tmp/demo --port 7443                            a control plane without nodes
  p8s server --data-dir /tmp/demo --only apiserver --audit-policy-file policy.yaml --audit-log-path audit.log
  p8s server --data-dir /tmp/demo --authorization-config authorization.yaml --token-auth-file tokens.csv
  p8s server --data-dir /tmp/demo --encryption-provider-config keys.yaml --shutdown-delay-duration 20s
  p8s server --only scheduler --kubeconfig admin.conf                    a scheduler for another API server

Flags have kube-apiserver's names; one that is not built is refused by name. docs/operations.md says what they do.
"""


@click.command(epilog=EPILOG)
@which_cluster
@click.option("--port", "--secure-port", type=int, help="The API server's port. [default: 6443]")
@click.option("--advertise-address", "node_address", help="Where others reach the API server. [default: 127.0.0.1]")
@click.option("--store", help="sqlite. [default: sqlite]")
@click.option("--only", help=f"Comma-separated: {', '.join(PARTS)}. [default: all]")
@click.option("--service-account-issuer", help="The issuer written into service-account tokens.")
@click.option(
    "--service-cidr",
    "--service-cluster-ip-range",
    help="The range of cluster IPs, or one of each family. [default: 10.96.0.0/16]",
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Where the API server is, for parts that run against another one.",
)
@choose_controllers
@choose_network
@choose_plugins
@choose_scheduling
@choose_serving
@choose_audit
@choose_identities
@choose_encryption
@choose_front_proxy
@choose_none_of_these
@choose_secure_ports
def server(name: str, data_dir: Path | None, only: str | None, kubeconfig: Path | None, **given: Any) -> None:
    """Run the control plane, or a part of it, in the foreground until interrupted.

    DIR/kubeconfig is written before the server answers; it is ready when /readyz says ok.
    """
    from pybernetes.cli import lean  # noqa: F401  # isort: skip  first: it decides what the others import
    from pybernetes.cli.commands.up import settled
    from pybernetes.cli.parts.running import run_process

    wanted = _chosen(only)
    layout = find(name, data_dir)
    settings = settled(layout.read_settings(), name, given)
    preflight.check_store(settings)
    check_controllers(settings)
    check_network(settings)
    check_plugins(settings)
    check_scheduling(settings)
    check_front_proxy(settings)
    check_serving(settings)
    preflight.check_disk(layout.root, preflight.SMALLEST_DISK_HOLLOW)
    if "apiserver" in wanted:
        preflight.check_port(settings.port)
    if kubeconfig is not None:
        settings = settings.with_(kubeconfig=str(kubeconfig.resolve()))
    elif "apiserver" not in wanted and not layout.kubeconfig.exists():
        raise Problem("there is no API server to connect to", "name one with --kubeconfig FILE")
    layout.root.mkdir(parents=True, exist_ok=True)
    run_process(wanted, layout, settings)


def _chosen(only: str | None) -> list[str]:
    wanted = [word.strip() for word in only.split(",")] if only else list(PARTS)
    for word in wanted:
        if word not in PARTS:
            raise Problem(f"there is no part {word!r}", f"choose from {', '.join(PARTS)}")
    return wanted
