"""The ConfigMap by which extension API servers learn whom to trust: kube-system/extension-apiserver-authentication.

Guarantees
  What this server requires is in it from the start, within a minute again after somebody changed it, and at once after
  it was deleted. What other servers put there stays, but for authorities that have ended.
Follows  pkg/controlplane/controller/clusterauthenticationtrust.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.auth.request_header import RequestHeaders
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Context
from pybernetes.apiserver.rules import MainRule
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.updating import Proposal
from pybernetes.apiserver.watch_events import Event, EventType, Interest
from pybernetes.store.contract import StoreError

log = logging.getLogger(__name__)

NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
MANAGER = "kube-apiserver"
PERIOD_SECONDS = 60.0
_SLACK = timedelta(minutes=5)
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_CLIENT_CA, _PROXY_CA = "client-ca-file", "requestheader-client-ca-file"


@dataclass(frozen=True, slots=True)
class Required:
    """What this server goes by."""

    client_ca: Path
    proxies: RequestHeaders | None = None


class Trust:
    """Kept between ``start`` and ``stop``."""

    interest = Interest(NAMESPACE, NAME)

    def __init__(self, server: ApiServer, required: Required) -> None:
        self._server = server
        self._required = required
        self._registry = server.registry("", "v1", "configmaps")
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._ensure()
        self._registry.cache.subscribers.add(self)
        self._task = asyncio.create_task(self._keep(), name="extension servers' trust")

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def stop(self) -> None:
        self._registry.cache.subscribers.remove(self)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def deliver(self, event: Event) -> None:
        if event.type is EventType.DELETED:
            self._wake.set()

    def end(self) -> None:
        """The cache was read anew."""
        asyncio.get_running_loop().call_soon(self._registry.cache.subscribers.add, self)

    async def _keep(self) -> None:
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(PERIOD_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                log.debug("looking after extension servers' trust")
            try:
                await self._ensure()
            except (errors.ApiError, StoreError, ValueError) as error:
                log.warning("extension servers cannot learn whom to trust", extra={"error": str(error)})

    async def _ensure(self) -> None:
        now = self._server.clock.now()
        context = Context(SERVER_USER, now, manager=MANAGER)
        current = await self._registry.find(NAMESPACE, NAME)
        before = (current.document.get("data") or {}) if current is not None else {}
        data = combined(before, self._required, now)
        if current is None:
            document = {**self._registry.identity(), "metadata": {"name": NAME, "namespace": NAMESPACE}, "data": data}
            await self._registry.create(NAMESPACE, document, context)
        elif data != before:

            def propose(found: StoredObject) -> Proposal:
                return Proposal({**self._registry.fresh_document_of(found), "data": data})

            await self._registry.update(NAMESPACE, NAME, propose, context, MainRule(self._registry.resource))


def combined(data: Mapping[str, str], required: Required, now: datetime) -> dict[str, str]:
    """What is there and what is required, each once."""
    found = {_CLIENT_CA: _bundle((data.get(_CLIENT_CA, ""), required.client_ca.read_text()), now)}
    proxies = required.proxies
    own_ca = proxies.client_ca.read_text() if proxies is not None else ""
    proxy_ca = _bundle((data.get(_PROXY_CA, ""), own_ca), now)
    if not proxy_ca:
        return found
    found[_PROXY_CA] = proxy_ca
    for key, own in _names(proxies):
        known = orjson.loads(data.get(key) or "[]")
        names = list(dict.fromkeys((*known, *own)))
        if names or key != "requestheader-uid-headers":
            found[key] = orjson.dumps(names).decode()
    return found


def _names(proxies: RequestHeaders | None) -> tuple[tuple[str, tuple[str, ...]], ...]:
    named = proxies or RequestHeaders(Path(), (), (), (), (), ())
    return (
        ("requestheader-username-headers", named.username_headers),
        ("requestheader-uid-headers", named.uid_headers),
        ("requestheader-group-headers", named.group_headers),
        ("requestheader-extra-headers-prefix", named.extra_headers_prefix),
        ("requestheader-allowed-names", named.allowed_names),
    )


def _bundle(bundles: Iterable[str], now: datetime) -> str:
    certificates = (ssl.PEM_cert_to_DER_cert(one) for bundle in bundles for one in _CERTIFICATE.findall(bundle))
    lasting = (one for one in certificates if _end_of(one) > now - _SLACK)
    return "".join(dict.fromkeys(ssl.DER_cert_to_PEM_cert(one) for one in lasting))


def _end_of(certificate: bytes) -> datetime:
    """Asked of the TLS library, which is there anyway."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate)
    ends = [str(one["notAfter"]) for one in context.get_ca_certs()]
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(ends[0]), UTC) if ends else datetime.max.replace(tzinfo=UTC)
