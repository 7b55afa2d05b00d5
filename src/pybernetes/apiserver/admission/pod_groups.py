"""PodGroupProtection: a group carries the finalizer that holds it while pods refer to it.
PodGroupWorkloadExists: a group that is made from a template of a workload finds it there.

Both act only where the feature GenericWorkload is on: groups are not served otherwise.
Follows plugin/pkg/admission/scheduling/podgroupprotection and plugin/pkg/admission/podgroup.
"""

from __future__ import annotations

from pybernetes.api.fields import quoted
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, ReadingPlugin
from pybernetes.apiserver.admission.refusal import forbidden

FINALIZER = "scheduling.k8s.io/podgroup-protection"
_GROUPS = frozenset({"podgroups.scheduling.k8s.io"})


class PodGroupProtection(Plugin):
    name = "PodGroupProtection"
    operations = frozenset({Operation.CREATE})
    resources = _GROUPS

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.document is None:
            return
        metadata = attributes.document["metadata"]
        present = metadata.get("finalizers") or []
        if FINALIZER not in present:
            metadata["finalizers"] = [*present, FINALIZER]


class PodGroupWorkloadExists(ReadingPlugin):
    name = "PodGroupWorkloadExists"
    operations = frozenset({Operation.CREATE})
    resources = _GROUPS

    async def validate(self, attributes: Attributes) -> None:
        document = attributes.document or {}
        reference = ((document.get("spec") or {}).get("podGroupTemplateRef") or {}).get("workload")
        if not reference:
            return
        name, template = str(reference.get("workloadName", "")), str(reference.get("podGroupTemplateName", ""))
        workload = self._reader.get("workloads.scheduling.k8s.io", attributes.namespace, name)
        if workload is None:
            raise forbidden(attributes, f"PodGroup rejected: Workload {quoted(name)} not found")
        if workload["metadata"].get("deletionTimestamp"):
            raise forbidden(attributes, f"PodGroup rejected: Workload {quoted(name)} is being deleted")
        if all(one.get("name") != template for one in workload["spec"].get("podGroupTemplates") or ()):
            why = f"PodGroupTemplate {quoted(template)} not found in Workload {quoted(name)}"
            raise forbidden(attributes, f"PodGroup rejected: {why}")
