"""Nodes of this machine that were asked for once and are not any more: their objects go, and pods elsewhere follow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from ipaddress import ip_address, ip_network

import structlog

from pybernetes.api.errors import ApiError
from pybernetes.api.models.core_v1 import Node
from pybernetes.cli.layout import Settings
from pybernetes.cli.parts.nodes import node_names
from pybernetes.client import Client, Unreachable

log = structlog.get_logger("node")

RETRY_SECONDS = 1.0


def former_nodes(nodes: Iterable[Node], settings: Settings) -> Sequence[str]:
    """Those with an address in the network of this machine's nodes that are none of them."""
    if not settings.node_network:
        return []
    network, kept = ip_network(settings.node_network), set(node_names(settings))
    return [
        node.metadata.name
        for node in nodes
        if node.metadata.name not in kept
        and any(one.type == "InternalIP" and ip_address(one.address) in network for one in node.status.addresses)
    ]


async def forget(client: Client, settings: Settings) -> None:
    while settings.node_network:
        try:
            for name in former_nodes((await client.list(Node)).items, settings):
                await client.delete(Node, name)
                log.info("a node is not asked for any more", node=name)
            return
        except ApiError as error:
            log.warning("former nodes could not be removed; trying again", error=str(error))
        except Unreachable as error:
            log.info("waiting for the API server", error=str(error))
        await asyncio.sleep(RETRY_SECONDS)
