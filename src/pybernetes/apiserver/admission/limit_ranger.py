"""LimitRanger: containers get the namespace's default requests and limits, and nothing outside its bounds is let in.

Guarantees  What was filled in is told in the annotation `kubernetes.io/limit-ranger`. Resizing a pod is judged too.
Follows plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.api.quota.amounts import Amounts, read
from pybernetes.api.quota.pod_resources import pod_limits, pod_requests
from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.limit_bounds import at_least, at_most, ratio_at_most, request_at_most
from pybernetes.apiserver.admission.pods import containers_of, spec_of
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

ANNOTATION = "kubernetes.io/limit-ranger"
LIMIT_RANGES = "limitranges"
CLAIMS = "persistentvolumeclaims"
_JUDGED = frozenset(
    {
        (Operation.CREATE, "pods", ""),
        (Operation.UPDATE, "pods", "resize"),
        (Operation.CREATE, CLAIMS, ""),
        (Operation.UPDATE, CLAIMS, ""),
    }
)


class LimitRanger(ReadingPlugin):
    name = "LimitRanger"
    needs = LIMIT_RANGES

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return (operation, group_resource, subresource) in _JUDGED

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.resource.info.group_resource != "pods" or attributes.document is None:
            return
        for limit_range in self._concerning(attributes):
            _fill(attributes.document, limit_range)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        is_pod = attributes.resource.info.group_resource == "pods"
        problems_of = _problems_of_pod if is_pod else _problems_of_claim
        for limit_range in self._concerning(attributes):
            found = list(dict.fromkeys(problems_of(attributes.document, limit_range)))
            if found:
                raise forbidden(attributes, found[0] if len(found) == 1 else f"[{', '.join(found)}]")

    def _concerning(self, attributes: Attributes) -> Iterator[Document]:
        """What is marked for deletion is left alone."""
        if attributes.old is None or not attributes.old["metadata"].get("deletionTimestamp"):
            yield from self._reader.list(LIMIT_RANGES, attributes.namespace)


def _items(limit_range: Document, kind: str) -> Iterator[Document]:
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") == kind:
            yield item


def _fill(pod: Document, limit_range: Document) -> None:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for item in _items(limit_range, "Container"):
        requests.update(item.get("defaultRequest") or {})
        limits.update(item.get("default") or {})
    if not requests and not limits:
        return
    spec, told = spec_of(pod), list[str]()
    for kind, shown in (("containers", "container"), ("initContainers", "init container")):
        for container in containers_of(spec, (kind,)):
            told += _fill_container(container, shown, {"request": requests, "limit": limits})
    if told:
        annotations = pod["metadata"].setdefault("annotations", {})
        annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def _fill_container(container: Document, shown: str, defaults: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    resources = container.get("resources") or {}
    for kind, wanted in defaults.items():
        present = resources.get(f"{kind}s") or {}
        missing = {name: amount for name, amount in wanted.items() if name not in present}
        if missing:
            resources[f"{kind}s"] = {**present, **missing}
            container["resources"] = resources
            yield f"{', '.join(sorted(missing))} {kind} for {shown} {container.get('name', '')}"


def _problems_of_pod(pod: Document, limit_range: Document) -> Iterator[str]:
    spec = spec_of(pod)
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") == "Container":
            for container in containers_of(spec, ("containers", "initContainers")):
                resources = container.get("resources") or {}
                yield from _problems("Container", item, read(resources.get("requests")), read(resources.get("limits")))
        elif item.get("type") == "Pod":
            yield from _problems("Pod", item, pod_requests(spec), pod_limits(spec))


def _problems(kind: str, item: Document, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for bound, judge in (("min", at_least), ("max", at_most), ("maxLimitRequestRatio", ratio_at_most)):
        for name, amount in sorted(read(item.get(bound)).items()):
            problem = judge(kind, name, amount, requests.get(name), limits.get(name))
            if problem:
                yield problem


def _problems_of_claim(claim: Document, limit_range: Document) -> Iterator[str]:
    requests = read(((claim.get("spec") or {}).get("resources") or {}).get("requests"))
    kind = "PersistentVolumeClaim"
    for item in _items(limit_range, kind):
        for name, amount in sorted(read(item.get("min")).items()):
            problem = at_least(kind, name, amount, requests.get(name), None)
            if problem:
                yield problem
        for name, amount in sorted(read(item.get("max")).items()):
            problem = request_at_most(kind, name, amount, requests.get(name))
            if problem:
                yield problem
