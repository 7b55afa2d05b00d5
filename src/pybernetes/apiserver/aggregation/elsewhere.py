"""The servers behind APIServices: who answers for which group version, and what clients are told of it.

Guarantees  A group version that leads elsewhere is answered there, even where a kind of that name is served here. While
            there is none, nothing is asked per request and no service is watched.
Follows     pkg/apiserver/apiserver.go of kube-aggregator.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pybernetes.apiserver.aggregation.availability import Verdict
from pybernetes.apiserver.aggregation.records import Remote, same_server
from pybernetes.apiserver.auth.pki import KeyPair
from pybernetes.apiserver.describe import Description
from pybernetes.apiserver.discovery.served import ServedVersion
from pybernetes.apiserver.server import ApiServer

if TYPE_CHECKING:
    from pybernetes.apiserver.aggregation.keeper import Keeper

log = logging.getLogger(__name__)

Report = Callable[[str, Verdict], Awaitable[None]]
_WATCHED = (("", "v1", "services"), ("discovery.k8s.io", "v1", "endpointslices"))


class ExtensionServers:
    """``client`` is what this server shows to others; ``report`` writes what is found out about an APIService."""

    def __init__(self, server: ApiServer, description: Description, client: KeyPair | None, report: Report) -> None:
        self._server = server
        self._discovery = description.discovery
        self._openapi = description.openapi
        self._client = client
        self._keepers: dict[str, Keeper] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._report = report

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._keepers)

    def served(self) -> list[ServedVersion]:
        return [keeper.served() for keeper in self._keepers.values()]

    async def stop(self) -> None:
        for name in self.names:
            self._drop(name)
        await asyncio.gather(*self._ending)

    def adopt(self, name: str, remote: Remote | None) -> None:
        """``remote`` is what the APIService says now; None if it leads nowhere else."""
        keeper = self._keepers.get(name)
        if keeper is not None and remote is not None and same_server(keeper.remote, remote):
            keeper.update(remote)
            return
        if keeper is not None:
            self._drop(name)
        if remote is not None:
            self._keep(remote)

    def _keep(self, remote: Remote) -> None:
        from pybernetes.apiserver.aggregation.dialing import Dialer  # What few clusters need is loaded with the first.
        from pybernetes.apiserver.aggregation.keeper import Keeper, Telling

        reader = self._server.reader
        telling = Telling(self._report, self._discovery.invalidate, self._openapi.invalidate, self._watch)
        try:
            dialer = Dialer(reader, self._server.random, remote, self._client)
        except (ssl.SSLError, ValueError) as error:
            log.warning("an APIService's caBundle is none", extra={"apiservice": remote.name, "error": str(error)})
            return
        keeper = self._keepers[remote.name] = Keeper(remote, dialer, reader, telling)
        routes = self._server.routes
        routes.elsewhere[remote.group, remote.version] = keeper.handle
        for path in (remote.path, f"{remote.path}/"):
            routes.exact(path, keeper.handle)
        self._openapi.elsewhere[remote.name] = keeper
        self._watch(keeper)
        self._invalidate()
        keeper.start()

    def _drop(self, name: str) -> None:
        keeper = self._keepers.pop(name)
        remote, routes = keeper.remote, self._server.routes
        routes.elsewhere.pop((remote.group, remote.version), None)
        for path in (remote.path, f"{remote.path}/"):
            routes.drop_exact(path)
        self._openapi.elsewhere.pop(name, None)
        for resource in _WATCHED:
            self._server.registry(*resource).cache.subscribers.remove(keeper)
        self._invalidate()
        task = asyncio.create_task(keeper.stop(), name=f"ending apiservice {name}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def _watch(self, keeper: Keeper) -> None:
        if self._keepers.get(keeper.remote.name) is not keeper:
            return
        for resource in _WATCHED:
            self._server.registry(*resource).cache.subscribers.add(keeper)

    def _invalidate(self) -> None:
        self._discovery.invalidate()
        self._openapi.invalidate()
