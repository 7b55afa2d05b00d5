"""Looks after one APIService that leads elsewhere: whether its server is there, and what it tells of itself.

Guarantees
  It looks when the service or its endpoints change, and every half minute; after a failure sooner, but more and more
  seldom.
  What the server told stays told while it does not answer, marked as stale. Who sees that it is available sees its
  resources in discovery.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.aggregation.availability import PASSED, Verdict, failed, judge_service
from pybernetes.apiserver.aggregation.dialing import AGGREGATOR, Dialer, NoAnswer
from pybernetes.apiserver.aggregation.discovering import Told, discover
from pybernetes.apiserver.aggregation.proxy import pass_on, unavailable
from pybernetes.apiserver.aggregation.records import Remote
from pybernetes.apiserver.aggregation.specs import Specs, fetch_spec, read_specs
from pybernetes.apiserver.discovery.served import ServedVersion
from pybernetes.apiserver.http import ApiRequest, ApiResponse, text_response
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.routes import Call
from pybernetes.apiserver.service_resolver import SERVICE_LABEL, slices_of
from pybernetes.apiserver.watch_events import Event, Interest

log = logging.getLogger(__name__)

PERIOD_SECONDS = 30.0
FIRST_RETRY_SECONDS = 0.25
ATTEMPTS = 5
CHECK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Telling:
    """Whom a keeper tells: ``report`` writes its verdict, ``discovery`` and ``openapi`` hear that what it knows is
    different now, and ``lost`` that it no longer hears of services."""

    report: Callable[[str, Verdict], Awaitable[None]]
    discovery: Callable[[], None]
    openapi: Callable[[], None]
    lost: Callable[[Keeper], None]


class Keeper:
    def __init__(self, remote: Remote, dialer: Dialer, reader: Reader, telling: Telling) -> None:
        self.remote = remote
        self.interest = Interest(namespace=remote.service.namespace)
        self._dialer = dialer
        self._reader = reader
        self._telling = telling
        self._told: Told | None = None
        self._current = False
        self._specs = Specs()
        self._failures = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"apiservice {self.remote.name}")
        self._task.add_done_callback(_tell_of_failure)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._dialer.close()

    def update(self, remote: Remote) -> None:
        """The same server; its availability or priority may be others."""
        known, self.remote = self.remote, remote
        if known.priority != remote.priority:
            self._telling.discovery()
        if known != remote:
            self._wake.set()

    # what the services and their endpoints tell

    def deliver(self, event: Event) -> None:
        metadata = event.object.document["metadata"]
        if self.remote.service.name in (metadata["name"], (metadata.get("labels") or {}).get(SERVICE_LABEL)):
            self._wake.set()

    def end(self) -> None:
        """A cache was read anew."""
        self._wake.set()
        asyncio.get_running_loop().call_soon(self._telling.lost, self)

    # what others ask

    async def handle(self, call: Call) -> ApiResponse:
        return await pass_on(call, self._dialer) if self.remote.available else unavailable()

    def served(self) -> ServedVersion:
        told = self._told.version if self._told is not None else {}
        return ServedVersion(
            self.remote.group, self.remote.version, (), self.remote.priority, current=self._current, remote=told
        )

    @property
    def index(self) -> dict[str, str]:
        return dict(self._specs.index)

    @property
    def v2(self) -> Document | None:
        return self._specs.v2

    async def fetch(self, request: ApiRequest) -> ApiResponse:
        try:
            return await fetch_spec(self._dialer, request)
        except NoAnswer as error:
            log.info("OpenAPI could not be had", extra={"apiservice": self.remote.name, "error": str(error)})
            return text_response("service unavailable\n", 503)

    # looking

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            verdict = await self._judge()
            await self._learn(verdict)
            await self._telling.report(self.remote.name, verdict)
            if self._current:
                await self._read_specs()
            self._failures = 0 if verdict is PASSED and self._current else self._failures + 1
            await self._rest(verdict)

    async def _rest(self, verdict: Verdict) -> None:
        """A service that is not right says so itself when it is; a server does not."""
        retry = FIRST_RETRY_SECONDS * 2 ** min(self._failures - 1, 10)
        asked = verdict is PASSED or verdict.reason == "FailedDiscoveryCheck"
        delay = min(retry, PERIOD_SECONDS) if self._failures and asked else PERIOD_SECONDS
        try:
            async with asyncio.timeout(delay):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _judge(self) -> Verdict:
        reference = self.remote.service
        service = self._reader.get("services", reference.namespace, reference.name)
        slices = slices_of(self._reader, reference.namespace, reference.name)
        verdict = judge_service(reference, service, slices)
        return verdict or await self._check()

    async def _check(self) -> Verdict:
        """One that answers is enough; endpoints are tried at random."""
        problem = await self._try()
        if problem is None:
            return PASSED
        for attempt in asyncio.as_completed([self._try() for _ in range(ATTEMPTS - 1)]):
            problem = await attempt
            if problem is None:
                return PASSED
        return failed(problem)

    async def _try(self) -> str | None:
        """What is wrong."""
        try:
            url = self._dialer.target(self.remote.path).url
        except errors.ApiError as error:
            return error.message
        try:
            answer = await self._dialer.ask(self.remote.path, AGGREGATOR, {}, CHECK_SECONDS)
        except NoAnswer as error:
            return f"failing or missing response from {url}: {error}"
        if 200 <= answer.status < 300:
            return None
        return f"failing or missing response from {url}: bad status from {url}: {answer.status}"

    async def _learn(self, verdict: Verdict) -> None:
        before = (self._told, self._current)
        try:
            if verdict is not PASSED:
                raise NoAnswer(verdict.message)
            self._told = await discover(self._dialer, self.remote, self._told)
            self._current = True
        except NoAnswer as error:
            log.info("discovery is stale", extra={"apiservice": self.remote.name, "error": str(error)})
            self._current = False
        if (self._told, self._current) != before:
            self._telling.discovery()

    async def _read_specs(self) -> None:
        try:
            specs = await read_specs(self._dialer, self.remote, self._specs)
        except NoAnswer as error:
            log.info("OpenAPI could not be had", extra={"apiservice": self.remote.name, "error": str(error)})
            return
        if specs != self._specs:
            self._specs = specs
            self._telling.openapi()


def _tell_of_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.critical("nobody looks after %s any more", task.get_name(), exc_info=error)
