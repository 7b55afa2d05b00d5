"""Which of the pods that would have to go are protected by a PodDisruptionBudget that allows no more disruptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.api.models import policy_v1
from pybernetes.api.selectors import LabelSelector, SelectorError
from pybernetes.scheduler.pod_info import PodInfo


class Allowance:
    """What one budget still allows."""

    def __init__(self, budget: policy_v1.PodDisruptionBudget, selector: LabelSelector) -> None:
        self._namespace = budget.metadata.namespace
        self._selector = selector
        self._disrupted = budget.status.disrupted_pods
        self._left = budget.status.disruptions_allowed

    def is_exceeded_by(self, pod: PodInfo) -> bool:
        """Counts the pod; those that the budget's controller has counted already are not counted again."""
        if pod.namespace != self._namespace or not self._selector.matches(pod.labels):
            return False
        if pod.key.name in self._disrupted:
            return False
        self._left -= 1
        return self._left < 0


def allowances(budgets: Iterable[policy_v1.PodDisruptionBudget]) -> list[Allowance]:
    """Budgets whose selector is empty or no selector protect nobody here."""
    found = []
    for budget in budgets:
        try:
            selector = LabelSelector.from_model(budget.spec.selector)
        except SelectorError:
            continue
        if selector.requirements:
            found.append(Allowance(budget, selector))
    return found


def split_by_budgets(
    pods: Sequence[PodInfo], budgets: Iterable[policy_v1.PodDisruptionBudget]
) -> tuple[list[PodInfo], list[PodInfo]]:
    """Those whose end would violate a budget, and the others; both in the order given, in which budgets are used up."""
    allowed = allowances(budgets)
    violating: list[PodInfo] = []
    others: list[PodInfo] = []
    for pod in pods:
        exceeded = [one.is_exceeded_by(pod) for one in allowed] if pod.labels else []
        (violating if any(exceeded) else others).append(pod)
    return violating, others
