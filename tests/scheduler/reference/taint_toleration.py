from __future__ import annotations

from pybernetes.api.models import core_v1
from scheduler.reference.world import Cluster, Scores, Verdict

REPELS = ("NoSchedule", "NoExecute")


class TaintToleration:
    def filter(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> Verdict | None:
        return Verdict(("node(s) had untolerated taint(s)",), hopeless=True) if repels(node, pod) else None

    def score(self, pod: core_v1.Pod, node: core_v1.Node, cluster: Cluster) -> int:
        return sum(one.effect == "PreferNoSchedule" and not tolerated(one, pod) for one in node.spec.taints)

    def normalise(self, scores: Scores) -> Scores:
        highest = max(scores.values(), default=0)
        return {name: 100 - 100 * score // highest if highest else 100 for name, score in scores.items()}


def repels(node: core_v1.Node, pod: core_v1.Pod) -> bool:
    return any(one.effect in REPELS and not tolerated(one, pod) for one in node.spec.taints)


def tolerated(taint: core_v1.Taint, pod: core_v1.Pod) -> bool:
    for one in pod.spec.tolerations:
        same_effect = one.effect in ("", taint.effect)
        same_key = one.key in ("", taint.key)
        if same_effect and same_key and (one.operator == "Exists" or one.value == taint.value):
            return True
    return False
