"""One question to one webhook.

Follows the dispatchers in k8s.io/apiserver/pkg/admission/plugin/webhook/{mutating,validating}.
"""

from __future__ import annotations

import logging
from random import Random
from time import perf_counter

from pybernetes.api import errors
from pybernetes.api.fields import quoted
from pybernetes.apiserver.admission.contract import Attributes
from pybernetes.apiserver.admission.webhooks import review
from pybernetes.apiserver.admission.webhooks.hooks import Hook
from pybernetes.apiserver.naming import new_uid
from pybernetes.apiserver.webhook_client import CallFailed, WebhookClients

MUTATION = "mutation.webhook.admission.k8s.io/"
VALIDATION = "validating.webhook.admission.k8s.io/"

log = logging.getLogger(__name__)


class Caller:
    """``ask`` gives the answer of a webhook that allows the write, None where a failure is to be ignored.

    Raises what the client is told: a denial, or 500 where the webhook could not be asked and that counts.
    """

    def __init__(self, clients: WebhookClients, random: Random, *, mutating: bool) -> None:
        self._clients = clients
        self._random = random
        self._mutating = mutating
        self._prefix = MUTATION if mutating else VALIDATION

    async def ask(
        self, hook: Hook, seen: Attributes, asked: Attributes, index: int, turn: int = 0
    ) -> review.Answer | None:
        """``index`` is the webhook's place among those concerned."""
        if asked.dry_run and not hook.dry_run_safe:
            raise errors.bad_request(f"admission webhook {quoted(hook.name)} does not support dry run")
        figures, began = self._clients.figures, perf_counter()
        about = (hook.name, "admit" if self._mutating else "validating", asked.operation.value)
        try:
            answer = await self._answer(hook, seen, asked)
        except _Failure as failure:
            figures.failed(about, perf_counter() - began, failure.code, open=hook.ignores_failure)
            told = f"failed calling webhook {quoted(hook.name)}: {failure}"
            if not hook.ignores_failure:
                raise errors.internal_error(told) from failure
            log.warning("%s; its failure is ignored", told)
            asked.annotate(f"failed-open.{self._prefix}round_{turn}_index_{index}", hook.name)
            return None
        for key, value in (answer.audit_annotations or {}).items():
            asked.annotate(f"{hook.name}/{key}", value)
        for warning in answer.warnings:
            asked.warn(warning)
        if not answer.allowed:
            denial = review.denial(hook.name, answer.result)
            figures.denied(about, perf_counter() - began, denial.code)
            raise denial
        figures.allowed(about, perf_counter() - began)
        return answer

    async def _answer(self, hook: Hook, seen: Attributes, asked: Attributes) -> review.Answer:
        version = hook.review_version
        if not version:
            raise _Failure(
                "could not create admission objects: "
                "webhook does not accept known AdmissionReview versions (v1, v1beta1)",
                400,
            )
        uid = new_uid(self._random)
        question = review.request(seen, asked, version, uid)
        try:
            document = await self._clients.call(hook.client_config, question, hook.timeout)
            return review.read(document, version, uid, mutating=self._mutating)
        except CallFailed as error:
            raise _Failure(f"failed to call webhook: {error}", error.status.code) from error
        except review.Unreadable as error:
            raise _Failure(f"failed to call webhook: {error}") from error
        except review.UndecodablePatch as error:
            raise _Failure(f"received undecodable patch in webhook response: {error}") from error
        except review.UnsupportedPatch as error:
            raise _Failure(str(error)) from error
        except review.InvalidResponse as error:
            raise _Failure(f"received invalid webhook response: {error}") from error


class _Failure(Exception):
    """The webhook could not be asked, or its answer is none. ``code`` is what it would be as an answer."""

    def __init__(self, message: str, code: int = 503) -> None:
        super().__init__(message)
        self.code = code
