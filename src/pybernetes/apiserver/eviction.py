"""`pods/eviction`: a deletion that respects the pod's disruption budget.

Guarantees  A healthy pod under a budget goes only after one allowed disruption was taken off that budget.
Follows pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from typing import Any

import msgspec

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.meta import format_time
from pybernetes.api.models.meta_v1 import LabelSelector as SelectorModel
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.answers import document_answer
from pybernetes.apiserver.binding import SUCCESS, BindingRule
from pybernetes.apiserver.decoding import parse_body
from pybernetes.apiserver.delete_options import delete_options_of
from pybernetes.apiserver.endpoint import reads_dry_run
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.apiserver.updating import Proposal

MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10
_TERMINAL = ("Succeeded", "Failed")


class BudgetRule(BindingRule):
    subresource = "status"


class Evictor:
    """``budgets`` is None where the kind is not served; then every eviction is a deletion."""

    def __init__(self, pods: Registry, budgets: Registry | None, clock: Clock) -> None:
        self._pods = pods
        self._budgets = budgets
        self._clock = clock
        self._rule = BudgetRule()

    def register(self, routes: Routes) -> None:
        routes.subresource("", "pods", "eviction", self.evict)

    async def evict(self, call: Call) -> ApiResponse:
        if call.info.verb != "create":
            raise errors.method_not_supported("pods/eviction", call.info.verb)
        eviction = parse_body(call.request)
        name = call.info.name
        stated = (eviction.get("metadata") or {}).get("name")
        if stated and stated != name:
            raise errors.bad_request(f"name in URL does not match name in Eviction object: {name} is not {stated}")
        options = delete_options_of(eviction.get("deleteOptions") or {}, call.request)
        context = Context(call.user, self._clock.now(), options.dry_run or reads_dry_run(call.request))
        pod = (await self._pods.get(call.info.namespace, name)).document
        if not _goes_freely(pod):
            await self._take_disruption(call.info.namespace, pod, context)
        await self._pods.delete(call.info.namespace, name, options, context)
        return document_answer(call.request, SUCCESS, 201)

    async def _take_disruption(self, namespace: str, pod: Document, context: Context) -> None:
        budgets = await self._budgets_of(namespace, pod)
        if len(budgets) > 1:
            raise errors.internal_error(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
            )
        if not budgets or self._budgets is None:
            return
        budget = budgets[0]
        if _is_unhealthy_and_free(pod, budget.document):
            return

        def propose(current: StoredObject) -> Proposal:
            return Proposal(_with_disruption(current.fresh_document(), pod, context))

        await self._budgets.update(namespace, budget.name, propose, context, self._rule)

    async def _budgets_of(self, namespace: str, pod: Document) -> list[StoredObject]:
        if self._budgets is None:
            return []
        await self._budgets.watch_cache.at_least(self._budgets.store.revision)
        labels = pod["metadata"].get("labels") or {}
        return [one for one in self._budgets.cache.under(namespace) if _selects(one.document, labels)]


def _goes_freely(pod: Document) -> bool:
    phase = (pod.get("status") or {}).get("phase")
    return phase in _TERMINAL or phase == "Pending" or bool(pod["metadata"].get("deletionTimestamp"))


def _is_unhealthy_and_free(pod: Document, budget: Document) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    if ready:
        return False
    if (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    return bool(desired > 0 and healthy >= desired)


def _selects(budget: Document, labels: dict[str, str]) -> bool:
    selector = (budget.get("spec") or {}).get("selector")
    if selector is None:
        return False
    return LabelSelector.from_model(msgspec.convert(selector, SelectorModel)).matches(labels)


def _with_disruption(budget: Document, pod: Document, context: Context) -> Document:
    metadata = budget["metadata"]
    status: dict[str, Any] = budget.setdefault("status", {})
    allowed = status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _refusal(f"The disruption budget {metadata['name']} is still being processed by the server.")
    disrupted: dict[str, str] = status.setdefault("disruptedPods", {})
    if len(disrupted) > MOST_DISRUPTED:
        raise errors.forbidden(
            "poddisruptionbudgets.policy",
            metadata["name"],
            "DisruptedPods map too big - too many evictions not confirmed",
        )
    if allowed <= 0:
        raise _refusal(
            f"The disruption budget {metadata['name']} needs {status.get('desiredHealthy', 0)} healthy pods and has "
            f"{status.get('currentHealthy', 0)} currently"
        )
    status["disruptionsAllowed"] = allowed - 1
    disrupted[pod["metadata"]["name"]] = format_time(context.now)
    return budget


def _refusal(why: str) -> errors.ApiError:
    error = errors.too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.", _RETRY_SECONDS
    )
    error.details = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    return error
