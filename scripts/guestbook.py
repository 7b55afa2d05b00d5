"""Starts the cluster, builds the guestbook's images, deploys it, and says how to go on."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

from pybernetes.cli.layout import DEFAULT_NAME, layout_of
from pybernetes.cli.parts.runtime import images_of
from pybernetes.cli.problems import Problem
from pybernetes.kubelet.containerd import ContainerdFailure
from pybernetes.kubelet.image_recipes import MissingProgram, Recipe, php
from pybernetes.kubelet.image_references import normalise
from pybernetes.kubelet.images import ImageStore
from pybernetes.kubelet.oci import File
from pybernetes.kubelet.runtime import RuntimeFailure

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "guestbook"
PROGRAMS = Path(sys.executable).parent
WORKLOADS = ("redis-primary", "redis-replica", "frontend")
ROLLOUT_SECONDS = 240


@click.command()
@click.option("--name", default=DEFAULT_NAME, help="The cluster's name.")
@click.option("--port", type=int, help="The API server's port. [default: 6443]")
@click.option("--data-dir", type=click.Path(path_type=Path, file_okay=False), help="Where the cluster keeps its files.")
def main(name: str, port: int | None, data_dir: Path | None) -> None:
    """Start a one-node cluster with real containers and deploy the guestbook."""
    which = ["--name", name, *(["--data-dir", str(data_dir)] if data_dir else [])]
    click.echo("Starting the cluster …")
    started = subprocess.run(
        [PROGRAMS / "p8s", "up", *which, "--runtime", "containerd", *(["--port", str(port)] if port else [])],
        check=False,
    )
    if started.returncode:
        raise SystemExit(started.returncode)
    layout = layout_of(name, data_dir)
    settings = layout.read_settings()
    assert settings is not None
    began = time.monotonic()
    references = build_images(images_of(layout, settings))
    click.echo(f"✓ images built: {', '.join(references)} ({time.monotonic() - began:.1f} s)")
    cluster = Kubectl(layout.kubeconfig)
    cluster.run("apply", "-f", str(EXAMPLE / "guestbook.yaml"))
    for workload in WORKLOADS:
        cluster.run("rollout", "status", f"deployment/{workload}", f"--timeout={ROLLOUT_SECONDS}s")
    address = page_address(cluster, settings.node_address)
    wait_for_page(address)
    click.echo(f"✓ guestbook deployed ({time.monotonic() - began:.1f} s)")
    say_goodbye(address, which if name != DEFAULT_NAME or data_dir else [])


def build_images(store: ImageStore) -> list[str]:
    try:
        return asyncio.run(store.ensure(["pause", "busybox", "redis", frontend()]))
    except MissingProgram as error:
        raise Problem("an image cannot be built", str(error)) from error
    except (ContainerdFailure, RuntimeFailure) as error:
        raise Problem("containerd refused an image", str(error)) from error


def frontend() -> Recipe:
    page = (File("/var/www/html/index.php", EXAMPLE / "index.php"),)
    base = php()
    return dataclasses.replace(base, reference=normalise("guestbook-frontend:1"), layers=(*base.layers, page))


class Kubectl:
    def __init__(self, kubeconfig: Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def run(self, *arguments: str) -> None:
        done = subprocess.run([PROGRAMS / "kubectl", *arguments], env=self._environment, check=False)
        if done.returncode:
            raise Problem(f"`kubectl {' '.join(arguments)}` failed", "look at `.venv/bin/p8s kubectl get pods,events`")

    def get(self, *arguments: str) -> dict[str, Any]:
        command = [PROGRAMS / "kubectl", "get", *arguments, "-o", "json"]
        done = subprocess.run(command, env=self._environment, check=True, capture_output=True)
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found


def page_address(cluster: Kubectl, node_address: str) -> str:
    port = cluster.get("service", "frontend")["spec"]["ports"][0]["nodePort"]
    return f"http://{node_address}:{port}/"


def wait_for_page(address: str) -> None:
    """The rollout is done, so only the node's rules may lag behind; a page that stays away is an error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 30
    while True:
        try:
            with opener.open(address, timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError) as error:
            if time.monotonic() > deadline:
                raise Problem(f"{address} does not answer ({error})", "look at `.venv/bin/p8s status`") from error
        time.sleep(0.1)


def say_goodbye(address: str, which: list[str]) -> None:
    options = "".join(f" {word}" for word in which)
    click.echo(f"\nThe guestbook is at {address}\n\nTry next:")
    for command in (
        f"kubectl{options} get pods -o wide",
        f"kubectl{options} logs -l app=guestbook",
        f"status{options}",
    ):
        click.echo(f"  .venv/bin/p8s {command}")


if __name__ == "__main__":
    main()
