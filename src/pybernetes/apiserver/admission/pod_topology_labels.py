"""PodTopologyLabels: a pod carries the zone and the region of its node.

Follows plugin/pkg/admission/podtopologylabels.
"""

from __future__ import annotations

from collections.abc import Mapping

from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin

COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(ReadingPlugin):
    name = "PodTopologyLabels"
    operations = frozenset({Operation.CREATE})
    resources = frozenset({"pods"})
    subresources = frozenset({"", "binding"})

    async def mutate(self, attributes: Attributes) -> None:
        document = attributes.document
        if document is None:
            return
        if attributes.subresource:
            target = document.get("target") or {}
            node = target.get("name") if target.get("kind") == "Node" else None
        else:
            node = (document.get("spec") or {}).get("nodeName")
        labels = self._labels_of(node) if node else {}
        if labels:
            metadata = document.setdefault("metadata", {})
            metadata["labels"] = {**(metadata.get("labels") or {}), **labels}

    def _labels_of(self, name: str) -> Mapping[str, str]:
        present = self._reader.labels_of("nodes", "", name)
        return {key: present[key] for key in COPIED if key in present}
