"""PodTolerationRestriction: a namespace gives its pods tolerations, and says which ones they may have.

Follows plugin/pkg/admission/podtolerationrestriction.
"""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.pods import covers, merged_tolerations, spec_of
from pybernetes.apiserver.admission.refusal import failed
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.pod_quality import quality_of_service

DEFAULTS = "scheduler.alpha.kubernetes.io/defaultTolerations"
ALLOWED = "scheduler.alpha.kubernetes.io/tolerationsWhitelist"
MEMORY_PRESSURE = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}

Tolerations = Sequence[Document]


class PodTolerationRestriction(Plugin):
    name = "PodTolerationRestriction"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods"})

    @classmethod
    def build(cls, host: Host) -> PodTolerationRestriction:
        configuration = host.configuration or {}
        return cls(host.reader, configuration.get("default") or (), configuration.get("whitelist") or ())

    def __init__(self, reader: Reader, defaults: Tolerations = (), allowed: Tolerations = ()) -> None:
        self._reader = reader
        self._defaults = defaults
        self._allowed = allowed

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        spec, extra = spec_of(attributes.document), list[Document]()
        if attributes.operation is Operation.CREATE:
            stated = self._annotated(attributes, DEFAULTS)
            extra += self._defaults if stated is None else stated
        if quality_of_service(spec) != "BestEffort":
            extra.append(dict(MEMORY_PRESSURE))
        if extra:
            spec["tolerations"] = merged_tolerations(spec.get("tolerations") or (), extra)
        await self.validate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        tolerations = spec_of(attributes.document).get("tolerations") if attributes.document is not None else None
        if not tolerations:
            return
        stated = self._annotated(attributes, ALLOWED)
        allowed, whose = (self._allowed, "cluster") if stated is None else (stated, "namespace")
        if allowed and not all(any(covers(wide, one) for wide in allowed) for one in tolerations):
            raise failed(
                "pod tolerations (possibly merged with namespace default tolerations) conflict with its "
                f"{whose} whitelist"
            )

    def _annotated(self, attributes: Attributes, annotation: str) -> Tolerations | None:
        """None where the namespace does not say."""
        namespace = self._reader.get("namespaces", "", attributes.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", attributes.namespace)
        text = (namespace["metadata"].get("annotations") or {}).get(annotation)
        if text is None:
            return None
        try:
            found: list[Document] = orjson.loads(text) if text else []
        except orjson.JSONDecodeError as error:
            raise failed(str(error)) from error
        return found
