"""`p8s simulate`: where pods would go in a cluster that is only a file."""

from __future__ import annotations

import json
from pathlib import Path

import click

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
EPILOG = """\b
Examples:
  kubectl get nodes,pods,pv,pvc,sc,priorityclasses -A -o json > snapshot.json
  p8s simulate --cluster snapshot.json --pods pods.yaml
  p8s simulate --cluster snapshot.json --pods deployment.yaml --seed 7 -o json
"""


@click.command(epilog=EPILOG)
@click.option("--cluster", type=FILE, required=True, help="Nodes, pods, volumes, … as kubectl lists them.")
@click.option("--pods", type=FILE, required=True, help="Pods to place, or workloads for their replicas.")
@click.option("--seed", type=int, default=0, show_default=True, help="What decides between equal nodes.")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def simulate(cluster: Path, pods: Path, seed: int, output: str) -> None:
    """Try where pods would go, which stay pending and why, and how full nodes would be. No cluster is touched.

    The scheduler's own plugins decide, with the default profile. Pods of the snapshot that wait for a node are tried
    as well. Not simulated: admission (limit ranges, quota, runtime classes' overhead) and daemon sets.
    """
    import msgspec

    from pybernetes.api.clock import SystemClock
    from pybernetes.cli import snapshots
    from pybernetes.scheduler.explaining import simulation
    from pybernetes.scheduler.explaining.simulation_text import lines_of

    documents = snapshots.documents_of(cluster)
    priorities = snapshots.priorities_of(documents)
    objects = snapshots.models_of(documents, priorities, cluster)
    wanted = snapshots.pods_of(snapshots.documents_of(pods), priorities, pods)
    result = simulation.simulate(objects, wanted, SystemClock(), seed)
    if output == "json":
        click.echo(json.dumps(msgspec.to_builtins(result), indent=2, ensure_ascii=False))
        return
    for line in lines_of(result, lambda text, colour: click.style(text, fg=colour)):
        click.echo(line)
