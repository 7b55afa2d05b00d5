"""MutatingAdmissionWebhook: webhooks that may change what is written, asked one after the other.

Guarantees  Each sees what those before it have made of the object, completed with defaults.
            When the object has changed after a webhook that may be asked again, it is asked again, once.

Follows k8s.io/apiserver/pkg/admission/plugin/webhook/mutating.
"""

from __future__ import annotations

from functools import partial
from typing import Self

import orjson

from pybernetes.api import errors
from pybernetes.api.fields import quoted
from pybernetes.api.patch import PatchError, json_patch
from pybernetes.api.schema import DecodeError
from pybernetes.apiserver.admission.compiled import Compiled
from pybernetes.apiserver.admission.contract import Attributes, Mutated, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.request_rules import Asked
from pybernetes.apiserver.admission.webhooks.calling import MUTATION, Caller
from pybernetes.apiserver.admission.webhooks.choosing import Chooser
from pybernetes.apiserver.admission.webhooks.equivalents import Equivalents
from pybernetes.apiserver.admission.webhooks.hooks import Candidate, Hook, compile_hooks
from pybernetes.apiserver.admission.webhooks.review import JSON_PATCH, Answer
from pybernetes.apiserver.resource import Document, Resource

PATCH = "patch.webhook.admission.k8s.io/"
CONFIGURATIONS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"


class MutatingAdmissionWebhook(Plugin):
    name = "MutatingAdmissionWebhook"
    needs = CONFIGURATIONS

    def __init__(self, host: Host) -> None:
        self._hooks = Compiled(host.reader, CONFIGURATIONS, partial(compile_hooks, host.authorizer))
        self._equivalents = Equivalents(host)
        self._chooser = Chooser(host.reader, self._equivalents)
        self._caller = Caller(host.webhooks, host.random, mutating=True)
        self._registry = host.registry

    @classmethod
    def build(cls, host: Host) -> Self:
        return cls(host)

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return True

    async def mutate(self, attributes: Attributes) -> Mutated | None:
        hooks = self._hooks.now()
        if not hooks.hooks:
            return None
        asked = Asked.of(attributes)
        if asked.is_exempt:
            return None
        equivalents = self._equivalents.of(attributes.resource, attributes.subresource)
        candidates = hooks.candidates(asked, attributes.resource, equivalents)
        if not candidates:
            return None
        turn = Turn()
        changed = False
        for index, candidate in enumerate(candidates):
            changed |= await self._apply(candidate, attributes, turn, index)
        output = _copy_of(attributes.document)

        async def again() -> None:
            if attributes.document != output:
                turn.everybody()
            turn.number = 1
            for index, candidate in enumerate(candidates):
                if candidate.hook in turn.due:
                    await self._apply(candidate, attributes, turn, index)

        return Mutated(changed, again)

    async def _apply(self, candidate: Candidate, attributes: Attributes, turn: Turn, index: int) -> bool:
        """Whether the object is another one after it."""
        hook = candidate.hook
        seen = await self._chooser.seen_by(candidate, attributes)
        if seen is None:
            return False
        changed = False
        about = {"configuration": hook.configuration, "webhook": hook.name}
        place = f"round_{turn.number}_index_{index}"
        try:
            answer = await self._caller.ask(hook, seen, attributes, index, turn.number)
            if answer is not None and answer.patch:
                changed = await self._patch(hook, seen, attributes, answer)
                told = {**about, "patch": answer.patch, "patchType": JSON_PATCH}
                attributes.annotate_content(PATCH + place, orjson.dumps(told).decode())
        finally:
            attributes.annotate(MUTATION + place, orjson.dumps({**about, "mutated": changed}).decode())
        if changed:
            turn.everybody()
        if hook.again:
            turn.asked.append(hook)
        return changed

    async def _patch(self, hook: Hook, seen: Attributes, attributes: Attributes, answer: Answer) -> bool:
        if attributes.document is None or seen.document is None:
            raise errors.internal_error(
                f"admission webhook {quoted(hook.name)} attempted to modify the object, "
                "which is not supported for this operation"
            )
        try:
            patched = json_patch.apply(seen.document, answer.patch)
            completed = self._completed(patched, seen)
        except (PatchError, DecodeError) as error:
            raise errors.internal_error(str(error)) from error
        if completed == seen.document:
            return False
        attributes.replace_document(await self._back(completed, seen.resource, attributes))
        return True

    def _completed(self, patched: Document, seen: Attributes) -> Document:
        """Read anew against the schema, with defaults for what is new."""
        copied: Document = orjson.loads(orjson.dumps(patched))
        if seen.of_kind is not None:
            return copied
        info = seen.resource.info
        document: Document = self._registry(info.group, info.version, info.plural).shape.read(copied).document
        if seen.resource.defaults is not None:
            seen.resource.defaults(document)
        return document

    async def _back(self, document: Document, seen_as: Resource, attributes: Attributes) -> Document:
        if seen_as is attributes.resource or attributes.of_kind is not None:
            return document
        return await self._equivalents.convert(document, seen_as, attributes.resource)


class Turn:
    """``asked``: webhooks that may be asked again; ``due``: those of them after whom the object has changed."""

    def __init__(self) -> None:
        self.number = 0
        self.asked: list[Hook] = []
        self.due: set[Hook] = set()

    def everybody(self) -> None:
        self.due.update(self.asked)
        self.asked.clear()


def _copy_of(document: Document | None) -> Document | None:
    copied: Document | None = orjson.loads(orjson.dumps(document))
    return copied
