"""DefaultTolerationSeconds: a pod that says nothing about it stays five minutes on a node that is lost.

Follows plugin/pkg/admission/defaulttolerationseconds.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.resource import Document

SECONDS = 300
TAINTS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


class DefaultTolerationSeconds(Plugin):
    name = "DefaultTolerationSeconds"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"pods"})

    async def mutate(self, attributes: Attributes) -> None:
        pod = attributes.document
        if pod is None:
            return
        tolerations = (pod.get("spec") or {}).get("tolerations") or []
        covered = {one.get("key", "") for one in tolerations if one.get("effect", "") in ("", "NoExecute")}
        missing = [taint for taint in TAINTS if taint not in covered] if "" not in covered else ()
        if missing:
            pod["spec"]["tolerations"] = [*tolerations, *map(_toleration, missing)]


def _toleration(taint: str) -> Document:
    return {"key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}
