"""PodNodeSelector: a namespace's pods go only where its annotation, or the cluster's configuration, sends them.

Follows plugin/pkg/admission/podnodeselector.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.pods import spec_of
from pybernetes.apiserver.admission.refusal import failed, forbidden

ANNOTATION = "scheduler.alpha.kubernetes.io/node-selector"
CONFIGURATION = "podNodeSelectorPluginConfig"
CLUSTER_DEFAULT = "clusterDefaultNodeSelector"

Labels = dict[str, str]


class PodNodeSelector(Plugin):
    name = "PodNodeSelector"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"pods"})

    @classmethod
    def build(cls, host: Host) -> PodNodeSelector:
        return cls(host.reader, (host.configuration or {}).get(CONFIGURATION) or {})

    def __init__(self, reader: Reader, of_cluster: Mapping[str, str]) -> None:
        self._reader = reader
        self._of_cluster = of_cluster

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        spec, wanted = spec_of(attributes.document), self._of_namespace(attributes)
        self._require_agreement(attributes, wanted, spec.get("nodeSelector") or {})
        if wanted:
            spec["nodeSelector"] = {**wanted, **(spec.get("nodeSelector") or {})}
        await self.validate(attributes)

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        selector = spec_of(attributes.document).get("nodeSelector") or {}
        self._require_agreement(attributes, self._of_namespace(attributes), selector)
        allowed = parse_labels(self._of_cluster.get(attributes.namespace, ""))
        if allowed and not selector.items() <= allowed.items():
            raise forbidden(attributes, "pod node label selector labels conflict with its namespace whitelist")

    def _require_agreement(self, attributes: Attributes, wanted: Labels, stated: Labels) -> None:
        if any(stated.get(key, value) != value for key, value in wanted.items()):
            raise forbidden(attributes, "pod node label selector conflicts with its namespace node label selector")

    def _of_namespace(self, attributes: Attributes) -> Labels:
        namespace = self._reader.get("namespaces", "", attributes.namespace)
        if namespace is None:
            raise errors.not_found("namespaces", attributes.namespace)
        stated = (namespace["metadata"].get("annotations") or {}).get(ANNOTATION)
        return parse_labels(self._of_cluster.get(CLUSTER_DEFAULT, "") if stated is None else stated)


def parse_labels(selector: str) -> Labels:
    """`a=b, c=d`. Raises a 500 for anything else, as upstream does."""
    labels: Labels = {}
    for term in selector.split(",") if selector else ():
        key, equals, value = term.partition("=")
        if not equals or "=" in value:
            raise failed(f"invalid selector: [{' '.join(term.split('='))}]")
        labels[key.strip()] = value.strip()
    return labels
