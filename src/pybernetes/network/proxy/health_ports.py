"""The health of Services on this node, for load balancers that want to know which nodes have endpoints.

Guarantees  A Service of type LoadBalancer with the policy Local has its healthCheckNodePort answered on every address:
            200 while this node has a ready endpoint, else 503, with upstream's headers and body.
            A port that somebody else holds is told and tried again; the others are served.
Assumes     The informer of slices has the index `SERVICE_INDEX` of the proxy.
Follows     pkg/proxy/healthcheck/service_health.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import structlog

from pybernetes.api.meta import Key
from pybernetes.api.models.core_v1 import Service
from pybernetes.api.models.discovery_v1 import EndpointSlice
from pybernetes.client import Informer, key_of
from pybernetes.network.keeping import Keeper
from pybernetes.network.proxy.proxy import SERVICE_INDEX

if TYPE_CHECKING:
    from aiohttp import web

log = structlog.get_logger("proxy")


def wanted_ports(services: Iterable[Service]) -> Mapping[int, Key]:
    return {
        one.spec.health_check_node_port: key_of(one)
        for one in services
        if one.spec.type == "LoadBalancer"
        and one.spec.external_traffic_policy == "Local"
        and one.spec.health_check_node_port
    }


def local_endpoints(slices: Iterable[EndpointSlice], node: str) -> int:
    """How many ready ones this node has, whatever their ports."""
    return len(
        {
            tuple(endpoint.addresses)
            for one in slices
            for endpoint in one.endpoints
            if endpoint.node_name == node and endpoint.conditions.ready is not False
        }
    )


def body(service: Key, count: int) -> str:
    document = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": count,
        "serviceProxyHealthy": True,
    }
    return json.dumps(document, indent="\t")


class HealthPorts:
    """`run` it in a task."""

    def __init__(self, services: Informer[Service], slices: Informer[EndpointSlice], node: str) -> None:
        self._services = services
        self._slices = slices
        self._node = node
        self._runners: dict[int, web.AppRunner] = {}
        self._keeper = Keeper(self.sync)
        services.on_change(self._service_changed)

    async def run(self) -> None:
        await self._services.synced()
        try:
            await self._keeper.run()
        finally:
            for number in list(self._runners):
                await self._close(number)

    async def sync(self) -> bool:
        """Whether every port could be had."""
        wanted = wanted_ports(self._services.list())
        for number in self._runners.keys() - wanted.keys():
            await self._close(number)
        opened = [await self._open(number) for number in wanted.keys() - self._runners.keys()]
        return all(opened)

    def answer(self, number: int) -> tuple[int, dict[str, str], str]:
        """Status, headers and body. The Service is looked up anew: a port may have changed hands."""
        key = wanted_ports(self._services.list()).get(number, Key("", ""))
        count = local_endpoints(self._slices.by_index(SERVICE_INDEX, f"{key.namespace}/{key.name}"), self._node)
        headers = {
            "Content-Type": "application/json",
            "X-Content-Type-Options": "nosniff",
            "X-Load-Balancing-Endpoint-Weight": str(count),
        }
        return 200 if count else 503, headers, body(key, count)

    async def _open(self, number: int) -> bool:
        from aiohttp import web

        async def handle(request: web.Request) -> web.Response:
            status, headers, text = self.answer(number)
            return web.Response(status=status, headers=headers, body=text.encode())

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, None, number).start()
        except OSError as error:
            log.error("a health check's port is not free; trying again", port=number, error=str(error))
            await runner.cleanup()
            return False
        self._runners[number] = runner
        return True

    async def _close(self, number: int) -> None:
        await self._runners.pop(number).cleanup()

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        before, after = (wanted_ports([one] if one else []) for one in (old, new))
        if before != after:
            self._keeper.wake()
