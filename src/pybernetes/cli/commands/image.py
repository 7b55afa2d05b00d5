"""`p8s image`: images without a registry, built from what is installed here or loaded from an archive."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import click

from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.options import require, which_cluster
from pybernetes.cli.problems import Problem

T = TypeVar("T")


@click.group()
def image() -> None:
    """Build, load and list the images of a cluster's nodes."""


@image.command("ls")
@which_cluster
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def list_images(name: str, data_dir: Path | None, output: str) -> None:
    """List the images that pods can use without a pull."""
    images = _finish(_store(*_running(name, data_dir)).list())
    rows = [{"id": one.id, "tags": list(one.repo_tags), "size": one.size} for one in images]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    for row in rows if output == "text" else ():
        click.echo(f"{', '.join(row['tags']) or '<none>'}  {row['id'][7:19]}  {row['size'] / 1e6:.1f} MB")


@image.command(epilog="Example:  p8s image load web.tar")
@which_cluster
@click.argument("archive", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def load(name: str, data_dir: Path | None, archive: Path) -> None:
    """Load an image archive (OCI, or made by `docker save`)."""
    for reference in _finish(_store(*_running(name, data_dir)).load(archive.resolve())):
        click.echo(f"loaded {reference}")


@image.command(epilog="Example:  p8s image build redis busybox nginx=nginx:1.27")
@which_cluster
@click.argument("recipes", nargs=-1)
def build(name: str, data_dir: Path | None, recipes: tuple[str, ...]) -> None:
    """Build images from programs installed on this machine: RECIPES, or all that are known."""
    from pybernetes.kubelet.image_recipes import RECIPES

    for reference in _finish(_store(*_running(name, data_dir)).ensure(recipes or tuple(RECIPES))):
        click.echo(f"built {reference}")


def _running(name: str, data_dir: Path | None) -> tuple[Layout, Settings]:
    layout, settings = require(name, data_dir)
    if settings.runtime != "containerd":
        raise Problem(f"a cluster with the runtime {settings.runtime} has no images", "use one with real containers")
    if os.geteuid() != 0:
        raise Problem("images belong to root's containerd", "run it with sudo")
    return layout, settings


def _store(layout: Layout, settings: Settings) -> Any:
    from pybernetes.cli.parts.running import configure_logs
    from pybernetes.cli.parts.runtime import images_of

    configure_logs(quiet=True)
    return images_of(layout, settings)


def _finish(work: Awaitable[T]) -> T:
    from pybernetes.kubelet.containerd import ContainerdFailure
    from pybernetes.kubelet.image_recipes import MissingProgram
    from pybernetes.kubelet.image_references import InvalidReference
    from pybernetes.kubelet.images import UnknownRecipe
    from pybernetes.kubelet.oci import NotAnArchive
    from pybernetes.kubelet.runtime import RuntimeFailure, Unavailable

    async def run() -> T:
        return await work

    try:
        return asyncio.run(run())
    except Unavailable as error:
        raise Problem("containerd does not answer", "start the cluster with `p8s up`") from error
    except (MissingProgram, UnknownRecipe, InvalidReference) as error:
        raise Problem("the image cannot be built", str(error)) from error
    except NotAnArchive as error:
        raise Problem("the image cannot be loaded", str(error)) from error
    except (ContainerdFailure, RuntimeFailure) as error:
        raise Problem("containerd refused", str(error)) from error
