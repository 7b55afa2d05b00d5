"""Carries out `certificate_requests.next_step` for every request in the store, as requests come and change."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Mapping
from typing import Any

import orjson

from pybernetes.api import go_json
from pybernetes.api.clock import Clock
from pybernetes.apiserver import background
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.certificate_requests import GROUP, Approve, Fail, Sign, Subject, next_step
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.store.contract import ChangeType, Compacted, Entry, ModRevisionIs, Put, Revision, Store, StoreClosed

PREFIX = "/registry/certificatesigningrequests/"

log = logging.getLogger(__name__)


class CertificateSigner:
    """`start` takes up the requests that wait; `close` ends it. A request that changed meanwhile is looked at again."""

    def __init__(self, store: Store, pki: Pki, authorizer: ClusterAuthorizer, clock: Clock) -> None:
        self._store = store
        self._pki = pki
        self._authorizer = authorizer
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = background.start(self._run(), "certificate signer")

    async def close(self) -> None:
        if self._task is not None:
            await background.stop(self._task)
            self._task = None

    async def _run(self) -> None:
        while True:
            revision = await self._take_up_all()
            try:
                async with self._store.watch(PREFIX, after=revision) as watch:
                    async for changes in watch:
                        for change in changes:
                            if change.type is ChangeType.PUT:
                                await self._take_up(change.entry)
                return
            except Compacted:
                continue
            except StoreClosed:
                return

    async def _take_up_all(self) -> Revision:
        found = await self._store.range(PREFIX)
        for entry in found.entries:
            await self._take_up(entry)
        return found.revision

    async def _take_up(self, entry: Entry) -> None:
        request = orjson.loads(entry.value)
        try:
            step = next_step(request, lambda: _subject_of(request), self._may)
            if step is None:
                return
            self._do(step, request)
        except ValueError as error:
            step = Fail(str(error))
            self._do(step, request)
        log.info("certificate request: %s", type(step).__name__, extra={"request": request["metadata"]["name"]})
        # Refused means that the request has changed: the change is on its way here.
        await self._store.transact(
            require=[ModRevisionIs(entry.key, entry.mod_revision)], write=[Put(entry.key, go_json.dumps(request))]
        )

    def _do(self, step: Approve | Sign | Fail, request: dict[str, Any]) -> None:
        """Writes the step into the request. Raises `ValueError` for what cannot be signed."""
        status = request.setdefault("status", {})
        match step:
            case Approve(message):
                self._add_condition(status, "Approved", "AutoApproved", message)
            case Fail(message):
                self._add_condition(status, "Failed", "SignerValidationFailure", message)
            case Sign(usages, lifetime):
                pem = base64.b64decode(request["spec"]["request"])
                certificate = self._pki.sign_request(pem, lifetime=lifetime, usages=usages)
                status["certificate"] = base64.b64encode(certificate).decode("ascii")

    def _may(self, user: User, subresource: str) -> bool:
        asked = Attributes(
            "create", group=GROUP, version="v1", resource="certificatesigningrequests", subresource=subresource
        )
        return self._authorizer.decide(user, asked).allowed

    def _add_condition(self, status: dict[str, Any], kind: str, reason: str, message: str) -> None:
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastUpdateTime": now,
            "lastTransitionTime": now,
        }
        status["conditions"] = [*(status.get("conditions") or ()), condition]


def _subject_of(request: Mapping[str, Any]) -> Subject:
    from pybernetes.apiserver.auth.certificates import requested_subject

    return Subject(*requested_subject(request["spec"].get("request", "")))
