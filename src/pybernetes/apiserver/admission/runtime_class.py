"""RuntimeClass: a pod gets the overhead of its runtime class, and goes where that class runs.

Follows plugin/pkg/admission/runtimeclass.
"""

from __future__ import annotations

from pybernetes.api import quantity
from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.pods import merged_tolerations, spec_of
from pybernetes.apiserver.admission.refusal import failed, forbidden, unaskable
from pybernetes.apiserver.resource import Document

CLASSES = "runtimeclasses.node.k8s.io"


class RuntimeClass(ReadingPlugin):
    name = "RuntimeClass"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"pods"})

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        spec = spec_of(attributes.document)
        chosen = self._chosen(attributes, spec)
        if chosen is None:
            return
        overhead = _overhead(chosen)
        if overhead is not None:
            if spec.get("overhead") and not _same(spec["overhead"], overhead):
                raise _mismatch(attributes)
            spec["overhead"] = dict(overhead)
        if chosen.get("scheduling") is not None:
            _schedule(attributes, spec, chosen["scheduling"])

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        spec = spec_of(attributes.document)
        chosen = self._chosen(attributes, spec)
        overhead = _overhead(chosen) if chosen is not None else None
        if overhead is not None:
            if not _same(spec.get("overhead") or {}, overhead):
                raise _mismatch(attributes)
        elif spec.get("overhead"):
            raise forbidden(
                attributes, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"
            )

    def _chosen(self, attributes: Attributes, spec: Document) -> Document | None:
        name = spec.get("runtimeClassName")
        if name is None:
            return None
        found = self._reader.get(CLASSES, "", name)
        if found is None:
            if problem := unaskable(name):
                raise failed(problem)
            raise forbidden(attributes, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _overhead(runtime_class: Document) -> dict[str, str] | None:
    """None where the class says nothing about it."""
    stated = runtime_class.get("overhead")
    return None if stated is None else stated.get("podFixed") or {}


def _schedule(attributes: Attributes, spec: Document, scheduling: Document) -> None:
    selector = dict(spec.get("nodeSelector") or {})
    for key, value in (scheduling.get("nodeSelector") or {}).items():
        if selector.setdefault(key, value) != value:
            raise forbidden(
                attributes,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {selector[key]}",
            )
    if selector:
        spec["nodeSelector"] = selector
    tolerations = merged_tolerations(spec.get("tolerations") or (), scheduling.get("tolerations") or ())
    if tolerations:
        spec["tolerations"] = tolerations


def _mismatch(attributes: Attributes) -> Exception:
    return forbidden(attributes, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead")


def _same(one: dict[str, str], other: dict[str, str]) -> bool:
    return one.keys() == other.keys() and all(quantity.parse(one[name]) == quantity.parse(other[name]) for name in one)
