"""Persistent volumes on the nodes of this machine, below the cluster's data directory."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.cli.parts.nodes import node_names
from pybernetes.kubelet.local_volumes import Directories, LocalVolumes, PretendedDirectories, RealDirectories


async def run(layout: Layout, settings: Settings) -> None:
    """As an administrator: a node's own identity may not make volumes."""
    client = client_as(Pki.admin, layout, settings, "p8s-local-volumes")
    directories: Directories = RealDirectories()
    is_ours: Callable[[str], bool] = frozenset(node_names(settings)).__contains__
    if settings.runtime == "hollow":
        # Nodes that joined from elsewhere are hollow too: it is the same who pretends for them.
        directories, is_ours = PretendedDirectories(), lambda node: True
    volumes = LocalVolumes(client, layout.volumes, directories, is_ours, SystemClock(), Random())
    try:
        await volumes.run()
    finally:
        await close(client)
