"""Objects that users of every cluster expect: the Service of the cluster's DNS, and a default storage class.

The DNS itself runs on each node under the Service's address, so the Service needs no endpoints.
"""

from __future__ import annotations

import asyncio

import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Service, ServicePort, ServiceSpec
from pybernetes.api.models.meta_v1 import ObjectMeta
from pybernetes.api.models.storage_v1 import StorageClass
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.client import Client, Unreachable
from pybernetes.kubelet.local_volumes import node_local_class

log = structlog.get_logger("addons")

RETRY_SECONDS = 1.0


def dns_service(address: str) -> Service:
    labels = {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}
    return Service(
        metadata=ObjectMeta(name="kube-dns", namespace="kube-system", labels=labels),
        spec=ServiceSpec(
            cluster_ip=address,
            ports=[
                ServicePort(name="dns", port=53, protocol="UDP"),
                ServicePort(name="dns-tcp", port=53, protocol="TCP"),
            ],
        ),
    )


async def run(layout: Layout, settings: Settings) -> None:
    """As an administrator: controllers may not create Services."""
    client = client_as(Pki.admin, layout, settings, "p8s-addons")
    try:
        await ensure(client, settings)
    finally:
        await close(client)


async def ensure(client: Client, settings: Settings) -> None:
    """Creates what is missing; what is there is left as it is."""
    while True:
        try:
            for wanted in (dns_service(settings.dns_address), node_local_class()):
                await _ensure_one(client, wanted)
            return
        except ApiError as error:
            log.warning("what every cluster has could not be created; trying again", error=str(error))
        except Unreachable as error:
            log.info("waiting for the API server", error=str(error))
        await asyncio.sleep(RETRY_SECONDS)


async def _ensure_one(client: Client, wanted: Service | StorageClass) -> None:
    known = await client.list(type(wanted), wanted.metadata.namespace or None)
    if not any(one.metadata.name == wanted.metadata.name for one in known.items):
        await client.create(wanted)
