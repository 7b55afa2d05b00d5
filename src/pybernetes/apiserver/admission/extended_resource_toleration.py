"""ExtendedResourceToleration: a pod that asks for a device tolerates the taint that keeps others off its nodes.

Follows plugin/pkg/admission/extendedresourcetoleration.
"""

from __future__ import annotations

from pybernetes.api.resource_names import is_extended
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.pods import containers_of, spec_of


class ExtendedResourceToleration(Plugin):
    name = "ExtendedResourceToleration"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods"})

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        spec = spec_of(attributes.document)
        asked = {
            name
            for container in containers_of(spec, ("containers", "initContainers"))
            for name in (container.get("resources") or {}).get("requests") or {}
            if is_extended(name)
        }
        tolerations = list(spec.get("tolerations") or ())
        for name in sorted(asked):
            wanted = {"key": name, "operator": "Exists", "effect": "NoSchedule"}
            if wanted not in tolerations:
                tolerations.append(wanted)
        if asked:
            spec["tolerations"] = tolerations
