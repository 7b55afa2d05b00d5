"""What a node says of its storage drivers: a CSINode of its own, which has none.

Guarantees  There is one under the node's name that this very node owns: with the node it goes. What drivers have
            written into it stays.
Follows     pkg/volume/csi/nodeinfomanager/nodeinfomanager.go (InitializeCSINodeWithAnnotation).
"""

from __future__ import annotations

from pybernetes.api import codec
from pybernetes.api.errors import ApiError
from pybernetes.api.models import meta_v1, storage_v1
from pybernetes.api.models.core_v1 import Node
from pybernetes.client import Client, PatchType

MIGRATED = ",".join(
    f"kubernetes.io/{plugin}"
    for plugin in (
        "aws-ebs",
        "azure-disk",
        "azure-file",
        "cinder",
        "gce-pd",
        "portworx-volume",
        "vsphere-volume",
    )
)


def csi_node(node: Node) -> storage_v1.CSINode:
    """Volumes of the former in-tree plugins are left to drivers, on this node as on any."""
    owner = meta_v1.OwnerReference(api_version="v1", kind="Node", name=node.metadata.name, uid=node.metadata.uid)
    return storage_v1.CSINode(
        metadata=meta_v1.ObjectMeta(
            name=node.metadata.name,
            annotations={"storage.alpha.kubernetes.io/migrated-plugins": MIGRATED},
            owner_references=[owner],
        )
    )


async def ensure(client: Client, node: Node) -> None:
    """Raises what the API server says."""
    wanted = csi_node(node)
    try:
        await client.create(wanted)
        return
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    metadata = codec.to_document(wanted)["metadata"]
    change = {"metadata": {key: metadata[key] for key in ("annotations", "ownerReferences")}}
    await client.patch(storage_v1.CSINode, node.metadata.name, None, change, PatchType.MERGE)
