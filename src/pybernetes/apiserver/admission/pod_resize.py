"""PodResizeValidator: a pod on a node is resized only within what the node has, and only on Linux.

Follows plugin/pkg/admission/podresize.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.api.quantity import ZERO
from pybernetes.api.quota.amounts import read, total
from pybernetes.api.quota.pod_resources import pod_requests
from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.pods import spec_of
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

OS_LABEL = "kubernetes.io/os"


class PodResizeValidator(ReadingPlugin):
    name = "PodResizeValidator"
    operations = frozenset({Operation.UPDATE})
    resources = frozenset({"pods"})
    subresources = frozenset({"resize"})

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.document
        if pod is None or attributes.old is None or pod.get("spec") == attributes.old.get("spec"):
            return
        name = spec_of(pod).get("nodeName")
        if not name:
            return
        node = self._reader.get("nodes", "", name)
        if node is None:
            raise forbidden(attributes, f'node "{name}" not found')
        system = (node["metadata"].get("labels") or {}).get(OS_LABEL, "linux")
        if system != "linux":
            why = f'pod resize is only supported on linux nodes, node "{name}" is "{system}"'
            raise _refused(attributes, why, "UnsupportedPlatform")
        shortage = _shortage(pod, node)
        if shortage:
            why = f"node didn't have enough allocatable resources: {shortage}"
            raise _refused(attributes, why, "NodeCapacity")


def _shortage(pod: Document, node: Document) -> str:
    spec = spec_of(pod)
    asked = total(pod_requests(spec), read(spec.get("overhead")))
    there = read((node.get("status") or {}).get("allocatable"))
    found = []
    cpu, has_cpu = asked.get("cpu", ZERO), there.get("cpu", ZERO)
    if cpu > has_cpu:
        found.append(f"cpu, requested: {cpu.milli()}, allocatable: {has_cpu.milli()}")
    memory, has_memory = asked.get("memory", ZERO), there.get("memory", ZERO)
    if memory > has_memory:
        found.append(f"memory, requested: {memory.value()}, allocatable: {has_memory.value()}")
    return "; ".join(found)


def _refused(attributes: Attributes, why: str, reason: str) -> errors.ApiError:
    error = forbidden(attributes, why)
    error.details = {**(error.details or {}), "causes": [{"reason": reason}]}
    return error
