"""All controllers, each as a service account of its own."""

from __future__ import annotations

import asyncio
import random

import structlog

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli import controllers_health
from pybernetes.cli.cluster_network import network_options
from pybernetes.cli.controllers import chosen_controllers, wanted_controllers
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import addons
from pybernetes.cli.parts.clients import anonymous, authority, client_as, close
from pybernetes.cli.parts.leadership import elector
from pybernetes.controllers import ControllerManager, not_running
from pybernetes.controllers.accounts import service_accounts

AGENT = "p8s-controllers"
log = structlog.get_logger(__name__)


async def run(layout: Layout, settings: Settings) -> None:
    client = client_as(Pki.controller_manager, layout, settings, AGENT)
    nobody = anonymous(layout, settings, AGENT)
    clock = SystemClock()
    for name, reason in not_running(wanted_controllers(settings)).items():
        log.warning("controller does not run", controller=name, reason=reason)
    own = settings.use_service_account_credentials
    try:
        manager = ControllerManager(
            client,
            clock,
            random.Random(),
            chosen_controllers(settings),
            elector=elector(client, layout, "kube-controller-manager"),
            root_ca=authority(layout, settings),
            network=network_options(settings),
            client_of=service_accounts(client, nobody, clock) if own else None,
        )
        async with controllers_health.served(layout, manager), asyncio.TaskGroup() as tasks:
            tasks.create_task(manager.run(), name="controllers")
            if not settings.kubeconfig:
                # What a cluster of somebody else's has besides is not ours to say.
                tasks.create_task(addons.run(layout, settings), name="addons")
    finally:
        await nobody.close()
        await close(client)
