"""All controllers, over one connection to the API server."""

from __future__ import annotations

import asyncio
import random

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.cluster_network import network_options
from pybernetes.cli.controllers import chosen_controllers
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import addons
from pybernetes.cli.parts.clients import authority, client_as, close
from pybernetes.cli.parts.leadership import elector
from pybernetes.controllers import ControllerManager


async def run(layout: Layout, settings: Settings) -> None:
    client = client_as(Pki.controller_manager, layout, settings, "p8s-controllers")
    try:
        manager = ControllerManager(
            client,
            SystemClock(),
            random.Random(),
            chosen_controllers(settings),
            elector=elector(client, layout, "kube-controller-manager"),
            root_ca=authority(layout, settings),
            network=network_options(settings),
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(manager.run(), name="controllers")
            tasks.create_task(addons.run(layout, settings), name="addons")
    finally:
        await close(client)
