"""The nodes of a cluster on this machine, by name."""

from __future__ import annotations

import re
import socket

from pybernetes.cli.layout import Settings


def node_names(settings: Settings) -> list[str]:
    """One real node has the machine's name; several hollow ones are numbered."""
    if settings.runtime == "containerd" or settings.nodes == 1:
        return [machine_name()]
    return [f"node-{number}" for number in range(1, settings.nodes + 1)]


def machine_name() -> str:
    cleaned = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.")
    return cleaned or "node"
