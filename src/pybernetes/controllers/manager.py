"""ControllerManager: runs the chosen controllers over one set of informers, and only while it is the leader.

Assumes  Whoever loses the lease stops: `run` then raises LeadershipLost and its caller ends the process or the task,
because work that is under way cannot be taken back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from random import Random

from pybernetes.api.clock import Clock
from pybernetes.client import Client, Informers
from pybernetes.client.events import EventBroadcaster
from pybernetes.client.leader import LeaderElector
from pybernetes.controllers.accounts import ClientOf
from pybernetes.controllers.aliases import ALIASES
from pybernetes.controllers.controller import Context, Controller, DefectReport, log_defect
from pybernetes.controllers.network_options import NetworkOptions
from pybernetes.controllers.not_run import NOT_RUN


class UnknownController(ValueError):
    """A name given to `--controllers` is not that of a controller."""


def select(table: Iterable[type[Controller]], wanted: Sequence[str] = ("*",)) -> list[type[Controller]]:
    """The controllers that a list such as `*,-job-controller` names, as upstream's --controllers.

    `*` is all that are enabled by default, `name` enables one, `-name` disables one. Names of upstream's that none of
    ours stands for are known too (`not_running`). Raises UnknownController.
    """
    classes = list(table)
    wanted = [_proper(item) for item in wanted]
    known = {controller.name for controller in classes} | NOT_RUN.keys()
    for item in wanted:
        if item != "*" and item.removeprefix("-") not in known:
            raise UnknownController(f"{item.removeprefix('-')!r} is not in the list of known controllers")
    return [controller for controller in classes if _enabled(controller, wanted)]


def not_running(wanted: Sequence[str]) -> dict[str, str]:
    """Those asked for by name that do not run, and why."""
    return {name: NOT_RUN[name] for name in map(_proper, wanted) if name in NOT_RUN}


def _proper(item: str) -> str:
    """An entry of the list, with the name that an alias stands for."""
    sign = "-" if item.startswith("-") else ""
    name = item.removeprefix("-")
    return sign + ALIASES.get(name, name)


def _enabled(controller: type[Controller], wanted: Sequence[str]) -> bool:
    if controller.name in wanted:
        return True
    if f"-{controller.name}" in wanted:
        return False
    return "*" in wanted and controller.enabled_by_default


class ControllerManager:
    def __init__(
        self,
        client: Client,
        clock: Clock,
        random: Random,
        controllers: Sequence[type[Controller]],
        *,
        informers: Informers | None = None,
        elector: LeaderElector | None = None,
        report_defect: DefectReport = log_defect,
        root_ca: str = "",
        network: NetworkOptions = NetworkOptions(),  # noqa: B008 - frozen
        client_of: ClientOf | None = None,
    ) -> None:
        self.informers = informers or Informers(client, random)
        self._owns_informers = informers is None
        self._events = EventBroadcaster(client, clock, random)
        self._elector = elector
        self._context = Context(
            client, self.informers, clock, random, self._events.recorder, report_defect, root_ca, network, client_of
        )
        self._classes = controllers
        self.controllers: list[Controller] = []

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            events = tasks.create_task(self._events.run(), name="events")
            try:
                if self._elector is None:
                    await self._run_controllers()
                else:
                    await self._elector.lead(self._run_controllers)
            finally:
                events.cancel()

    @property
    def idle(self) -> bool:
        return all(controller.queue.idle for controller in self.controllers)

    async def _run_controllers(self) -> None:
        self.controllers = [controller(self._context) for controller in self._classes]
        async with asyncio.TaskGroup() as tasks:
            if self._owns_informers:
                tasks.create_task(self.informers.run(), name="informers")
            for controller in self.controllers:
                tasks.create_task(controller.run(), name=controller.name)
