"""LimitPodHardAntiAffinityTopology: required anti-affinity keeps pods off a node, and off nothing larger.

Follows plugin/pkg/admission/antiaffinity.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.pods import spec_of
from pybernetes.apiserver.admission.refusal import forbidden

HOSTNAME = "kubernetes.io/hostname"


class LimitPodHardAntiAffinityTopology(Plugin):
    name = "LimitPodHardAntiAffinityTopology"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods"})

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        against = (spec_of(attributes.document).get("affinity") or {}).get("podAntiAffinity") or {}
        for term in against.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
            key = term.get("topologyKey", "")
            if key != HOSTNAME:
                raise forbidden(
                    attributes,
                    f"affinity.PodAntiAffinity.RequiredDuringScheduling has TopologyKey {key} but only key {HOSTNAME} "
                    "is allowed",
                )
