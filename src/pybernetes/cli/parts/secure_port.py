"""The HTTPS ports on which controllers and scheduler say how they are, as upstream's do: 10257 and 10259.

Guarantees
  Health is told to everybody, all else to whom the API server lets `get` the path: Prometheus with a service account's
  token, an administrator with token or certificate. A token that nobody knows is refused.
  They are loopback's. A port that something else has is left to it, and said so.
Not built   Certificates of users where the API server is not of this directory (--kubeconfig); profiles.
Follows k8s.io/controller-manager/app/serve.go and cmd/kube-scheduler/app/server.go.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from pybernetes import KUBERNETES_VERSION
from pybernetes.api import errors, zpage_text
from pybernetes.api.errors import ApiError
from pybernetes.apiserver.auth.pki import KeyPair, Pki
from pybernetes.cli.layout import Layout, Settings
from pybernetes.cli.parts.doorstep import Doorstep
from pybernetes.client import Client, Unreachable
from pybernetes.client.delegated_access import ANONYMOUS, Asker, DelegatedAccess

if TYPE_CHECKING:
    from aiohttp import web

log = structlog.get_logger(__name__)

HOST = "127.0.0.1"
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz"})
HEADERS = {"Cache-Control": "no-cache, private", "X-Content-Type-Options": "nosniff"}
PROMETHEUS = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"}
LEADER_ELECTION = "leaderElection"
"""A check that always holds: a process that loses its lease ends."""

Check = Callable[[], bool]


def is_up() -> bool:
    """A check that holds as long as the process answers."""
    return True


@dataclass(frozen=True)
class Component:
    """What one component tells."""

    name: str
    """Upstream's, as in `kube-scheduler statusz`."""
    probes: Mapping[str, Callable[[], Mapping[str, Check]]]
    """By path: the named checks, in the order in which they are told."""
    metrics: Callable[[], bytes]
    configuration: Mapping[str, Any]
    """By the name under which /configz tells it."""
    flags: Mapping[str, object]
    resource_metrics: Callable[[], bytes] | None = None
    """What /metrics/resources tells, where there is such a thing."""
    started: datetime = field(default_factory=lambda: datetime.now(UTC))


@asynccontextmanager
async def served(
    component: Component, client: Client, layout: Layout, settings: Settings, port: int
) -> AsyncIterator[None]:
    """Port 0: nothing is served. ``client`` asks who may know what."""
    listening = _listening(component, port)
    if listening is None:
        yield
        return
    pages = Pages(component, DelegatedAccess(client))
    async with Doorstep(listening, pages.application, lambda: _tls(layout, settings)):
        yield


def _listening(component: Component, port: int) -> socket.socket | None:
    if not port:
        return None
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        log.warning("the secure port is taken", component=component.name, port=port, error=str(error))
        return None
    return listening


def _tls(layout: Layout, settings: Settings) -> ssl.SSLContext:
    pki = Pki(layout.pki)
    pair: KeyPair = pki.component_serving()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if not settings.kubeconfig:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(pki.ca_file)
    return context


class Pages:
    def __init__(self, component: Component, access: DelegatedAccess) -> None:
        self._component = component
        self._access = access
        self._pages: Mapping[str, Callable[[], web.Response]] = {
            "/metrics": self._metrics,
            "/configz": self._configz,
            "/flagz": self._flagz,
            "/statusz": self._statusz,
        }
        if (resources := component.resource_metrics) is not None:
            self._pages = {**self._pages, "/metrics/resources": lambda: _figures(resources())}

    def application(self) -> web.Application:
        from aiohttp import web

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self.answer)
        return application

    async def answer(self, request: web.Request) -> web.Response:
        try:
            asker = await self._asker(request)
        except (ApiError, Unreachable) as error:
            log.warning("who asks could not be found out", error=str(error))
            asker = None
        if asker is None:
            return _refusal(errors.unauthorized())
        try:
            allowed = request.path in OPEN_PATHS or await self._access.allows(asker, _verb(request), request.path)
        except (ApiError, Unreachable) as error:
            return _refusal(errors.internal_error(str(error)))
        if not allowed:
            return _refusal(
                errors.forbidden("", "", f'User "{asker.name}" cannot {_verb(request)} path "{request.path}"')
            )
        return self._page(request)

    async def _asker(self, request: web.Request) -> Asker | None:
        from pybernetes.apiserver.auth.authenticators import certificate_user

        connection = request.transport.get_extra_info("ssl_object") if request.transport is not None else None
        shown = connection.getpeercert(binary_form=True) if connection is not None else None
        if shown is not None:
            user = certificate_user(shown)
            return Asker(user.name, (*user.groups, "system:authenticated"))
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        return await self._access.asker_of(token.strip())

    def _page(self, request: web.Request) -> web.Response:
        probe = self._component.probes.get(request.path)
        if probe is not None:
            return _health(request.path, probe(), told="verbose" in request.query)
        page = self._pages.get(request.path)
        return page() if page is not None else _text("404 page not found\n", status=404)

    def _metrics(self) -> web.Response:
        return _figures(self._component.metrics())

    def _configz(self) -> web.Response:
        return _json(self._component.configuration)

    def _flagz(self) -> web.Response:
        lines = (f"{name} {value}" for name, value in sorted(self._component.flags.items()))
        return _text(zpage_text.title(self._component.name, "flagz") + "\n".join(lines) + "\n")

    def _statusz(self) -> web.Response:
        about = self._component
        lived = int((datetime.now(UTC) - about.started).total_seconds())
        paths = sorted((*about.probes, *(path for path in self._pages if path != "/statusz")))
        version = KUBERNETES_VERSION.removeprefix("v")
        language = f"Python version: {sys.version.partition(' ')[0]}"
        emulated = ".".join(version.split(".")[:2])
        text = zpage_text.status(about.started, lived, language, version, emulated, paths)
        return _text(zpage_text.title(about.name, "statusz") + text)


def _verb(request: web.Request) -> str:
    return request.method.lower()


def _health(path: str, checks: Mapping[str, Check], *, told: bool) -> web.Response:
    """Upstream's text: `ok`, or what is wrong."""
    name = path.removeprefix("/")
    results = {check: holds() for check, holds in checks.items()}
    lines = [f"[+]{one} ok" if good else f"[-]{one} failed: reason withheld" for one, good in results.items()]
    if not all(results.values()):
        return _text("\n".join((*lines, f"{name} check failed", "")), status=500)
    return _text("\n".join((*lines, f"{name} check passed", "")) if told else "ok")


def _figures(body: bytes) -> web.Response:
    from aiohttp import web

    return web.Response(body=body, headers=HEADERS | PROMETHEUS)


def _text(text: str, status: int = 200) -> web.Response:
    from aiohttp import web

    return web.Response(text=text, status=status, headers=HEADERS)


def _refusal(error: ApiError) -> web.Response:
    return _json(error.status(), error.code, indent=2)


def _json(value: object, status: int = 200, indent: int | None = None) -> web.Response:
    from aiohttp import web

    body = json.dumps(value, indent=indent).encode()
    return web.Response(body=body, status=status, content_type="application/json", headers=HEADERS)
