"""What objects cost, and how much of a quota is used: pure functions of documents.

The API server charges with them (admission), the quota controller counts with them. ``evaluator_of`` knows every kind.
Follows k8s.io/apiserver/pkg/quota/v1 and pkg/quota/v1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from pybernetes.api.quantity import ZERO
from pybernetes.api.quota.amounts import Amounts, masked, total
from pybernetes.api.quota.claims import ClaimEvaluator
from pybernetes.api.quota.device_claims import DeviceClaimEvaluator
from pybernetes.api.quota.evaluator import Evaluator
from pybernetes.api.quota.pods import PodEvaluator
from pybernetes.api.quota.scopes import scopes_of
from pybernetes.api.quota.services import ServiceEvaluator

EVALUATORS: Mapping[str, Evaluator] = {
    one.group_resource: one
    for one in (
        PodEvaluator(),
        ServiceEvaluator(),
        ClaimEvaluator(),
        DeviceClaimEvaluator(),
        Evaluator("configmaps", "configmaps"),
        Evaluator("resourcequotas", "resourcequotas"),
        Evaluator("replicationcontrollers", "replicationcontrollers"),
        Evaluator("secrets", "secrets"),
    )
}
"""The kinds whose cost has names of its own; all others are counted."""

NEVER_COUNTED = frozenset(("bindings", "componentstatuses", "events", "events.events.k8s.io"))
_NEVER_COUNTED_GROUPS = (".authentication.k8s.io", ".authorization.k8s.io")


@lru_cache(maxsize=1024)
def evaluator_of(group_resource: str) -> Evaluator | None:
    """None for kinds that quotas never count."""
    if group_resource in NEVER_COUNTED or group_resource.endswith(_NEVER_COUNTED_GROUPS):
        return None
    return EVALUATORS.get(group_resource) or Evaluator(group_resource)


Listed = Callable[[str], Iterable[Mapping[str, Any]]]
"""The objects of a kind in the quota's namespace, by group resource."""


def used_of(spec: Mapping[str, Any], evaluators: Iterable[Evaluator], listed: Listed, now: datetime) -> Amounts:
    """What is used of every resource that a quota limits and that one of ``evaluators`` knows."""
    hard = tuple(spec.get("hard") or ())
    scopes = scopes_of(spec)
    used: Amounts = {}
    for evaluator in evaluators:
        names = evaluator.matching(hard)
        if not names:
            continue
        counted: Amounts = dict.fromkeys(names, ZERO)
        for document in listed(evaluator.group_resource):
            if all(evaluator.is_in(scope, document) for scope in scopes):
                counted = total(counted, masked(evaluator.usage(document, now), names))
        used = total(used, counted)
    return used
