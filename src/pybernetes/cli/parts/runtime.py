"""The containerd of a cluster, as every command and part of it sees it."""

from __future__ import annotations

from pybernetes.cli.layout import Layout, Settings
from pybernetes.kubelet.containerd import Containerd, ContainerdConfiguration
from pybernetes.network import cni


def containerd_of(layout: Layout, settings: Settings) -> Containerd:
    return Containerd(
        ContainerdConfiguration(
            directory=layout.containerd,
            cni_configuration=layout.cni_configuration,
            cni_programs=cni.plugin_directory() or cni.PLUGIN_DIRECTORIES[0],
        )
    )
