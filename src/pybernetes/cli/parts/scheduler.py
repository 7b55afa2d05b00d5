"""The scheduler, as a part of its own."""

from __future__ import annotations

import asyncio
import platform
import random
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts import secure_port
from pybernetes.cli.parts.clients import client_as, close
from pybernetes.cli.parts.doorstep import served_at
from pybernetes.cli.parts.leadership import elector
from pybernetes.cli.parts.secure_port import LEADER_ELECTION, Check, Component, is_up
from pybernetes.cli.scheduling import features_of, scheduling_of
from pybernetes.client import Informers
from pybernetes.client.shared_informers import Share
from pybernetes.scheduler.configuration.loading import Configuration
from pybernetes.scheduler.scheduler import Scheduler

if TYPE_CHECKING:
    from aiohttp import web

LEASE = "kube-scheduler"


async def run(layout: Layout, settings: Settings, informers: Informers | None = None) -> None:
    """``informers``: those of the process, which somebody else runs."""
    client = client_as(Pki.scheduler, layout, settings, "p8s-scheduler")
    try:
        configuration, rows = scheduling_of(settings)
        share = None if informers is None else Share(informers)
        features = features_of(settings)
        scheduler = Scheduler(
            client, SystemClock(), random.Random(), configuration, rows, features, informers=share, host=platform.node()
        )
        leads = asyncio.Event()

        async def lead() -> None:
            leads.set()
            await scheduler.run()

        def door() -> web.Application:
            from pybernetes.scheduler.explaining.door import pages

            return pages(scheduler.explainer)

        about = component(scheduler, configuration, settings, leads)
        async with (
            served_at(layout.scheduler_socket, door),
            secure_port.served(about, client, layout, settings, settings.scheduler_port),
        ):
            await elector(client, layout, LEASE).lead(lead)
    finally:
        await close(client)


def component(
    scheduler: Scheduler, configuration: Configuration, settings: Settings, leads: asyncio.Event
) -> Component:
    """``leads`` is set while it is this scheduler that schedules."""

    def metrics() -> bytes:
        from pybernetes.scheduler.metrics import metrics_of

        return metrics_of(scheduler, leads=leads.is_set())

    def resource_metrics() -> bytes:
        from pybernetes.scheduler.pod_resource_metrics import pod_resource_metrics

        return pod_resource_metrics(scheduler.pods.list())

    def ready() -> Mapping[str, Check]:
        return {LEADER_ELECTION: is_up, "shutdown": is_up, "sched-handler-sync": lambda: scheduler.has_synced}

    document = msgspec.to_builtins(configuration.document)
    return Component(
        "kube-scheduler",
        {
            "/healthz": lambda: {LEADER_ELECTION: is_up},
            "/livez": lambda: {"ping": is_up},
            "/readyz": ready,
        },
        metrics,
        {"componentconfig": document | {"leaderElection": document["leaderElection"] | {"leaderElect": True}}},
        {"config": settings.scheduler_config, "secure-port": settings.scheduler_port},
        resource_metrics,
    )
