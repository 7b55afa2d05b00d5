"""Pod failure policy: what a Job makes of a pod's failure, by its exit codes and conditions.

The first rule that matches decides; a failure that none matches counts.
Follows https://kubernetes.io/docs/concepts/workloads/controllers/job/#pod-failure-policy.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pybernetes.api.models import batch_v1, core_v1

FAIL_JOB, IGNORE, COUNT, FAIL_INDEX = "FailJob", "Ignore", "Count", "FailIndex"


@dataclass(frozen=True, slots=True)
class Verdict:
    action: str
    message: str = ""


COUNTED = Verdict(COUNT)


def judge(policy: batch_v1.PodFailurePolicy | None, pod: core_v1.Pod) -> Verdict:
    for number, rule in enumerate(policy.rules if policy else ()):
        why = _matches(rule, pod)
        if why:
            name = f"{pod.metadata.namespace}/{pod.metadata.name}"
            subject = why.format(pod=name)
            return Verdict(rule.action, f"{subject} matching {rule.action} rule at index {number}")
    return COUNTED


def _matches(rule: batch_v1.PodFailurePolicyRule, pod: core_v1.Pod) -> str:
    """What matched, with `{pod}` for the pod's name; empty when nothing did."""
    if rule.on_exit_codes is not None:
        for name, code in _exit_codes(pod):
            if _code_matches(rule.on_exit_codes, name, code):
                return f"Container {name} for pod {{pod}} failed with exit code {code}"
        return ""
    for condition in pod.status.conditions:
        for pattern in rule.on_pod_conditions:
            if condition.type == pattern.type and condition.status == (pattern.status or "True"):
                return f"Pod {{pod}} has condition {condition.type}"
    return ""


def _exit_codes(pod: core_v1.Pod) -> Iterator[tuple[str, int]]:
    for status in (*pod.status.container_statuses, *pod.status.init_container_statuses):
        if status.state.terminated is not None:
            yield status.name, status.state.terminated.exit_code


def _code_matches(wanted: batch_v1.PodFailurePolicyOnExitCodesRequirement, name: str, code: int) -> bool:
    if code == 0 or (wanted.container_name and wanted.container_name != name):
        return False
    return (code in wanted.values) == (wanted.operator == "In")
