"""The scheduler, as a part of its own."""

from __future__ import annotations

import random

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.cli.parts.leadership import elector
from pybernetes.cli.scheduler_door import door_of
from pybernetes.cli.scheduling import scheduling_of
from pybernetes.scheduler.explaining.door import Door
from pybernetes.scheduler.scheduler import Scheduler


async def run(layout: Layout, settings: Settings) -> None:
    client = client_as(Pki.scheduler, layout, settings, "p8s-scheduler")
    try:
        configuration, rows = scheduling_of(settings)
        scheduler = Scheduler(client, SystemClock(), random.Random(), configuration, rows)
        async with Door(scheduler.explainer, door_of(layout)):
            await elector(client, layout, "kube-scheduler").lead(scheduler.run)
    finally:
        await close(client)
