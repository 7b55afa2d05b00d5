"""ValidatingAdmissionWebhook: webhooks that may refuse a write, all asked at once.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/validating.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Self

from pybernetes.apiserver.admission.compiled import Compiled
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.request_rules import Asked
from pybernetes.apiserver.admission.webhooks.calling import Caller
from pybernetes.apiserver.admission.webhooks.choosing import Chooser
from pybernetes.apiserver.admission.webhooks.equivalents import Equivalents
from pybernetes.apiserver.admission.webhooks.hooks import Hook, compile_hooks

CONFIGURATIONS = "validatingwebhookconfigurations.admissionregistration.k8s.io"


class ValidatingAdmissionWebhook(Plugin):
    """Guarantees  Everybody who is concerned is asked; of several refusals the first webhook's is told."""

    name = "ValidatingAdmissionWebhook"
    needs = CONFIGURATIONS

    def __init__(self, host: Host) -> None:
        self._hooks = Compiled(host.reader, CONFIGURATIONS, partial(compile_hooks, host.authorizer))
        self._equivalents = Equivalents(host)
        self._chooser = Chooser(host.reader, self._equivalents)
        self._caller = Caller(host.webhooks, host.random, mutating=False)

    @classmethod
    def build(cls, host: Host) -> Self:
        return cls(host)

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return True

    async def validate(self, attributes: Attributes) -> None:
        hooks = self._hooks.now()
        if not hooks.hooks:
            return
        asked = Asked.of(attributes)
        if asked.is_exempt:
            return
        concerned: list[tuple[Hook, Attributes]] = []
        for candidate in hooks.candidates(
            asked, attributes.resource, self._equivalents.of(attributes.resource, attributes.subresource)
        ):
            seen = await self._chooser.seen_by(candidate, attributes)
            if seen is not None:
                concerned.append((candidate.hook, seen))
        if len(concerned) == 1:
            await self._caller.ask(*concerned[0], attributes, 0)
            return
        calls = (self._caller.ask(hook, seen, attributes, index) for index, (hook, seen) in enumerate(concerned))
        for outcome in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
