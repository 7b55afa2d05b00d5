"""From the webhooks whose rules are about a write to those that are asked, and what they see of it."""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Reader
from pybernetes.apiserver.admission.webhooks.equivalents import Equivalents
from pybernetes.apiserver.admission.webhooks.hooks import Candidate
from pybernetes.apiserver.admission.webhooks.matching import has_labels, in_namespace


class Chooser:
    def __init__(self, reader: Reader, equivalents: Equivalents) -> None:
        self._reader = reader
        self._equivalents = equivalents

    async def seen_by(self, candidate: Candidate, attributes: Attributes) -> Attributes | None:
        """The write as the webhook sees it; None if the webhook is not asked. Raises where that cannot be told."""
        hook = candidate.hook
        problem: errors.ApiError | None = None
        try:
            if not in_namespace(self._reader, hook.namespace_selector, attributes):
                return None
        except errors.ApiError as error:
            problem = error
        if not has_labels(hook.object_selector, attributes):
            return None
        if problem is not None:
            raise problem
        seen = await self._equivalents.seen_as(attributes, candidate.resource)
        if hook.conditions is not None and not await hook.conditions.hold(seen):
            return None
        return seen
