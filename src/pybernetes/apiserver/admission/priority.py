"""Priority: a pod's number follows from its priority class; at most one class is the default.

Follows plugin/pkg/admission/priority.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Reader, ReadingPlugin
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

CLASSES = "priorityclasses.scheduling.k8s.io"
DEFAULT_POLICY = "PreemptLowerPriority"


class Priority(ReadingPlugin):
    name = "Priority"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods", CLASSES})

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self._known: Document | None = None
        self._as_of = -1
        """The version of the classes that the default was looked up in."""

    def mutates(self, operation: Operation, group_resource: str) -> bool:
        return group_resource == "pods"

    def validates(self, operation: Operation, group_resource: str) -> bool:
        return group_resource == CLASSES

    async def mutate(self, attributes: Attributes) -> None:
        pod = attributes.document
        if pod is None:
            return
        spec = pod.setdefault("spec", {})
        if attributes.operation is Operation.UPDATE:
            _keep(spec, (attributes.old or {}).get("spec") or {})
            return
        chosen = self._chosen(attributes, spec)
        value = chosen["value"] if chosen else 0
        policy = (chosen or {}).get("preemptionPolicy") or DEFAULT_POLICY
        self._require_same(attributes, spec.get("priority"), value)
        if spec.get("preemptionPolicy") not in (None, policy):
            raise forbidden(
                attributes,
                f"the string value of PreemptionPolicy ({spec['preemptionPolicy']}) must not be provided in pod spec; "
                f"priority admission controller computed {policy} from the given PriorityClass name",
            )
        if chosen is not None:
            spec["priorityClassName"] = chosen["metadata"]["name"]
        spec["priority"], spec["preemptionPolicy"] = value, policy

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None or not attributes.document.get("globalDefault"):
            return
        present = self._default()
        if present is not None and (
            attributes.operation is Operation.CREATE or present["metadata"]["name"] != attributes.name
        ):
            raise forbidden(
                attributes,
                f"PriorityClass {present['metadata']['name']} is already marked as default. Only one default can exist",
            )

    def _chosen(self, attributes: Attributes, spec: Document) -> Document | None:
        name = spec.get("priorityClassName")
        if not name:
            return self._default()
        found = self._reader.get(CLASSES, "", name)
        if found is None:
            raise forbidden(attributes, f"no PriorityClass with name {name} was found")
        return found

    def _default(self) -> Document | None:
        """With several, which can happen when two were made at once, the least is taken."""
        version = self._reader.version(CLASSES)
        if version != self._as_of:
            defaults = [one for one in self._reader.list(CLASSES) if one.get("globalDefault")]
            self._as_of, self._known = version, min(defaults, key=lambda one: one["value"], default=None)
        return self._known

    def _require_same(self, attributes: Attributes, stated: int | None, computed: int) -> None:
        if stated is not None and stated != computed:
            raise forbidden(
                attributes,
                f"the integer value of priority ({stated}) must not be provided in pod spec; "
                f"priority admission controller computed {computed} from the given PriorityClass name",
            )


def _keep(spec: Document, old: Document) -> None:
    """What was worked out when the pod was created need not be sent again."""
    for name in ("priority", "preemptionPolicy"):
        if spec.get(name) is None and old.get(name) is not None:
            spec[name] = old[name]
