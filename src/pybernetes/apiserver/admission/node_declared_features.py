"""NodeDeclaredFeatureValidator: a pod on a node is changed only in ways that its node says it can follow.

Follows plugin/pkg/admission/nodedeclaredfeatures and k8s.io/component-helpers/nodedeclaredfeatures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pybernetes.apiserver.admission.contract import Attributes, Operation, ReadingPlugin
from pybernetes.apiserver.admission.pods import spec_of
from pybernetes.apiserver.admission.refusal import forbidden

Spec = Mapping[str, Any]


def resizes_whole_pod(new: Spec, old: Spec) -> bool:
    return (new.get("resources") or {}) != (old.get("resources") or {})


def resizes_initialisation(new: Spec, old: Spec) -> bool:
    pairs = zip(old.get("initContainers") or (), new.get("initContainers") or (), strict=False)
    return any(
        before.get("restartPolicy") != "Always" and (before.get("resources") or {}) != (after.get("resources") or {})
        for before, after in pairs
    )


NEEDS: Mapping[str, Callable[[Spec, Spec], bool]] = {
    "InPlacePodLevelResourcesVerticalScaling": resizes_whole_pod,
    "InPlacePodVerticalScalingInitContainers": resizes_initialisation,
}
"""Which features an update (new, old) needs."""


class NodeDeclaredFeatureValidator(ReadingPlugin):
    name = "NodeDeclaredFeatureValidator"
    operations = frozenset({Operation.UPDATE})
    resources = frozenset({"pods"})
    subresources = frozenset({"", "resize"})

    async def validate(self, attributes: Attributes) -> None:
        if attributes.document is None or attributes.old is None:
            return
        new, old = spec_of(attributes.document), attributes.old.get("spec") or {}
        name = new.get("nodeName")
        if not name or new == old:
            return
        needed = [feature for feature, needs in NEEDS.items() if needs(new, old)]
        if not needed:
            return
        node = self._reader.get("nodes", "", name)
        if node is None:
            raise forbidden(attributes, f'node "{name}" not found')
        missing = sorted(set(needed) - set((node.get("status") or {}).get("declaredFeatures") or ()))
        if missing:
            raise forbidden(
                attributes,
                f'pod update requires features {", ".join(missing)} which are not available on node "{name}"',
            )
