"""The containerd of each node, as every command and part of it sees it."""

from __future__ import annotations

from pybernetes.cli.layout import Layout, Settings
from pybernetes.kubelet.containerd import Containerd, ContainerdConfiguration
from pybernetes.kubelet.images import ImageStore
from pybernetes.network import cni
from pybernetes.network.names import namespace_of


def containerd_of(layout: Layout, settings: Settings, number: int = 1) -> Containerd:
    """That of the node with the number."""
    own = layout.of_node(number)
    return Containerd(
        ContainerdConfiguration(
            directory=own.containerd,
            cni_configuration=own.cni_configuration,
            cni_programs=cni.plugin_directory() or cni.PLUGIN_DIRECTORIES[0],
            network_namespace=None if number == 1 else namespace_of(settings.name, number),
        )
    )


def images_of(layout: Layout, settings: Settings) -> ImageStore:
    """The images of all nodes of this machine: what is built or loaded, every one of them gets."""
    further = [containerd_of(layout, settings, number) for number in settings.further_nodes]
    return ImageStore(containerd_of(layout, settings), layout.images, further)
