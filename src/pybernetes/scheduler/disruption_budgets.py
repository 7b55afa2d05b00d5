"""Which of the pods that would have to go are protected by a PodDisruptionBudget that allows no more disruptions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pybernetes.api.meta import Key
from pybernetes.api.models import policy_v1
from pybernetes.api.selectors import LabelSelector, SelectorError
from pybernetes.scheduler.arrays import Ints, Mask
from pybernetes.scheduler.pod_info import PodInfo

_MOST_TEMPLATES = 1 << 14


class Budgets:
    """Those of a cluster. Budgets whose selector is empty or no selector protect nobody here."""

    def __init__(self) -> None:
        self._protecting: dict[Key, tuple[LabelSelector, policy_v1.PodDisruptionBudgetStatus]] = {}
        self._of_template: dict[bytes, tuple[Key, ...]] = {}

    def set(self, key: Key, budget: policy_v1.PodDisruptionBudget | None) -> None:
        """None removes it."""
        self._protecting.pop(key, None)
        self._of_template.clear()
        selector = _selector(budget) if budget is not None else None
        if budget is not None and selector is not None:
            self._protecting[key] = selector, budget.status

    def exceeded(self, templates: Ints, groups: Ints, pod_at: Callable[[int], PodInfo]) -> Mask | None:
        """Whose end would violate a budget, where those before it in its group go as well; None when nobody's would.

        ``templates`` numbers the pods' templates, ``groups`` says which stand together, one group after the other.
        A pod that a budget's controller has counted already is not counted again.
        """
        if not self._protecting or not len(templates):
            return None
        selected: dict[Key, list[int]] = {}
        numbers, examples = np.unique(templates, return_index=True)
        for number, example in zip(numbers.tolist(), examples.tolist(), strict=True):
            for key in self._selecting(pod_at(example)):
                selected.setdefault(key, []).append(number)
        if not selected:
            return None
        exceeded: Mask = np.zeros(len(templates), np.bool_)
        begins = np.searchsorted(groups, groups)
        for key, chosen in selected.items():
            status = self._protecting[key][1]
            counted: Mask = np.isin(templates, chosen)
            for place in np.flatnonzero(counted) if status.disrupted_pods else ():
                counted[place] = pod_at(int(place)).key.name not in status.disrupted_pods
            so_far = np.cumsum(counted)
            before_group = np.concatenate(([0], so_far))[begins]
            exceeded |= counted & (so_far - before_group > status.disruptions_allowed)
        return exceeded

    def _selecting(self, pod: PodInfo) -> tuple[Key, ...]:
        found = self._of_template.get(pod.template)
        if found is None:
            if len(self._of_template) >= _MOST_TEMPLATES:
                self._of_template.clear()
            found = self._of_template[pod.template] = tuple(
                key
                for key, (selector, _) in self._protecting.items()
                if pod.labels and key.namespace == pod.namespace and selector.matches(pod.labels)
            )
        return found


def _selector(budget: policy_v1.PodDisruptionBudget) -> LabelSelector | None:
    """None for one that picks nobody."""
    try:
        selector = LabelSelector.from_model(budget.spec.selector)
    except SelectorError:
        return None
    return selector if selector.requirements else None
