"""`componentstatuses`: what the parts of the control plane say of their health, asked when somebody wants to know.

Guarantees  Nothing is stored; each part is asked once per request, all at the same time.
Follows pkg/registry/core/componentstatus and serversToValidate in pkg/registry/core/rest/storage_core.go.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.kinds import info_of
from pybernetes.api.models.core_v1 import ComponentStatus
from pybernetes.apiserver.answers import list_answer, object_answer
from pybernetes.apiserver.columns import NAME
from pybernetes.apiserver.discovery.served import Kind, ServedResource, ServedVersion
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.list_options import read_options
from pybernetes.apiserver.negotiation import media_of, require_acceptable
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.options import ComponentPorts
from pybernetes.apiserver.resource import Column, Document, Resource
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.apiserver.selection import select
from pybernetes.apiserver.view import View
from pybernetes.store.contract import Store

PROBE_SECONDS = 20.0
DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"
_VERBS = ("get", "list")
_HEALTHY = {"True": "Healthy", "False": "Unhealthy"}

SERVED = (
    ServedVersion(
        "",
        "v1",
        (
            ServedResource(
                "componentstatuses",
                "componentstatus",
                False,
                Kind("", "v1", "ComponentStatus"),
                _VERBS,
                short_names=("cs",),
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Health:
    healthy: bool
    message: str


Check = Callable[[], Awaitable[Health]]


def _healthy_condition(status: Document, key: str) -> str:
    conditions = status.get("conditions") or ()
    found: str = next((one.get(key, "") for one in conditions if one["type"] == "Healthy"), "")
    return found


def _status(status: Document, now: datetime) -> str:
    return _HEALTHY.get(_healthy_condition(status, "status"), "Unknown")


COMPONENT_STATUSES = Resource(
    info=info_of(ComponentStatus),
    verbs=_VERBS,
    columns=(
        NAME,
        Column("Status", _status),
        Column("Message", lambda status, now: _healthy_condition(status, "message")),
        Column("Error", lambda status, now: _healthy_condition(status, "error")),
    ),
)


class ComponentStatuses:
    def __init__(self, checks: Mapping[str, Check], clock: Clock) -> None:
        self._checks = checks
        self._clock = clock
        self._view = View(COMPONENT_STATUSES)

    def register(self, routes: Routes) -> None:
        routes.resource("", "v1", "componentstatuses", self.handle)

    async def handle(self, call: Call) -> ApiResponse:
        info = call.info
        if info.placed or len(info.parts) > 2 or info.path.startswith("/api/v1/watch/"):
            raise errors.path_not_found()
        if call.request.method != "GET":
            raise errors.method_not_allowed()
        require_acceptable(call.request, info.verb)
        call.request.warnings.insert(0, DEPRECATED)
        if info.verb not in _VERBS:
            raise errors.method_not_supported(info.group_resource, info.verb)
        return await (self._get(call) if info.name else self._list(call))

    async def _get(self, call: Call) -> ApiResponse:
        media_of(call.request)
        check = self._checks.get(call.info.name)
        if check is None:
            raise errors.not_found("componentstatus", call.info.name)
        found = self._object(call.info.name, await check())
        return object_answer(call.request, self._view, found, self._clock.now())

    async def _list(self, call: Call) -> ApiResponse:
        media_of(call.request)
        selection = select(self._view, "", "", read_options(call.request))
        answers = await asyncio.gather(*(check() for check in self._checks.values()))
        objects = [self._object(name, health) for name, health in zip(self._checks, answers, strict=True)]
        chosen = [one for one in objects if selection.matches(one)]
        return await list_answer(call.request, self._view, chosen, {}, self._clock.now())

    def _object(self, name: str, health: Health) -> StoredObject:
        condition = {"type": "Healthy", "status": "True" if health.healthy else "False"}
        if health.message:
            condition["message"] = health.message
        document = {"metadata": {"name": name}, "conditions": [condition]}
        form = self._view.form
        return StoredObject(form, "/", f"/{name}", form.to_stored(document), 0)


def control_plane(store: Store, ports: ComponentPorts) -> Mapping[str, Check]:
    """The parts that upstream asks, as it asks them; the store stands for its etcd."""
    return {
        "scheduler": lambda: _probe(ports.scheduler),
        "controller-manager": lambda: _probe(ports.controller_manager),
        "etcd-0": lambda: _read(store),
    }


async def _read(store: Store) -> Health:
    await store.get("health")
    return Health(healthy=True, message="ok")


async def _probe(port: int) -> Health:
    import aiohttp

    from pybernetes.apiserver.network_errors import wording

    address = f"127.0.0.1:{port}"
    url = f"https://{address}/healthz"
    limit = aiohttp.ClientTimeout(total=PROBE_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=limit) as session, session.get(url, ssl=_unverified()) as answer:
            body = await answer.text(errors="replace")
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return Health(healthy=False, message=f'Get "{url}": {wording(error, address)}')
    if 200 <= answer.status < 400:
        return Health(healthy=True, message=body)
    return Health(healthy=False, message=f"HTTP probe failed with statuscode: {answer.status}")


def _unverified() -> ssl.SSLContext:
    """Upstream's parts have certificates of their own making there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
