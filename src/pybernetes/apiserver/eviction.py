"""`pods/eviction`: a deletion that respects the pod's disruption budget.

Guarantees  A healthy pod under a budget goes only after one allowed disruption was taken off that budget.
Follows pkg/registry/core/pod/storage/eviction.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import FieldError, FieldPath, invalid
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.api.models.meta_v1 import LabelSelector as SelectorModel
from pybernetes.api.schema import shape_of
from pybernetes.api.selectors import LabelSelector
from pybernetes.apiserver.admission.contract import JUDGED, Attributes, Kind, Operation
from pybernetes.apiserver.answers import document_answer
from pybernetes.apiserver.binding import SUCCESS
from pybernetes.apiserver.contexts import context_of
from pybernetes.apiserver.decoding import decode
from pybernetes.apiserver.delete_options import delete_options_of
from pybernetes.apiserver.delete_plan import DeleteOptions
from pybernetes.apiserver.deleting import check_preconditions
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.routes import Call, Routes
from pybernetes.apiserver.rules import Models
from pybernetes.apiserver.updating import Proposal

MOST_DISRUPTED = 2000
_RETRY_SECONDS = 10
_TERMINAL = ("Succeeded", "Failed")


_ALLOWED = "DisruptionAllowed"
_TARGET = "DisruptionTarget"
_ADMITTED = Kind("policy", "v1", "Eviction")
_EVICTION = KindInfo("policy", "v1", "Eviction", "evictions", True, "policy_v1")


class _OwnChange:
    """The server itself makes the change: there is nothing to judge."""

    subresource = "status"

    def prepare(self, new: Document, old: Document, context: Context) -> None:
        pass

    def problems(self, models: Models) -> Iterator[FieldError]:
        return iter(())

    def warnings(self, new: Document, old: Document) -> Iterator[str]:
        return iter(())


class Evictor:
    """``budgets`` is None where the kind is not served; then every eviction is a deletion."""

    def __init__(self, pods: Registry, budgets: Registry | None, clock: Clock) -> None:
        self._pods = pods
        self._budgets = budgets
        self._clock = clock
        self._rule = _OwnChange()

    def register(self, routes: Routes) -> None:
        routes.subresource("", "pods", "eviction", self.evict)

    async def evict(self, call: Call) -> ApiResponse:
        if call.info.verb != "create":
            raise errors.method_not_allowed()
        eviction = _decoded(call.request)
        name, namespace = call.info.name, call.info.namespace
        context = context_of(call, self._clock)
        attributes = Attributes(
            Operation.CREATE, self._pods.resource, namespace, name, context, eviction, None, "eviction", _ADMITTED
        )
        metadata = eviction.setdefault("metadata", {})
        if metadata.get("namespace", namespace) != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = namespace
        await self._pods.admission.mutate(attributes)
        if (eviction.get("metadata") or {}).get("name", "") != name:
            raise errors.bad_request("name in URL does not match name in Eviction object")
        stated = eviction.get("deleteOptions") or {}
        _check_reads_errors(stated, name)
        options = delete_options_of({**stated, "dryRun": _dry_run(stated, [*call.request.query.get("dryRun", ())])})
        await self._pods.admission.validate(attributes)
        context = Context(call.user, context.now, options.dry_run or context.dry_run, judge=JUDGED)
        found = await self._pods.get(namespace, name)
        only_as_it_is = not _goes_freely(found.document) and await self._take_disruption(
            namespace, found.document, context
        )
        if only_as_it_is and options.resource_version is None:
            options = replace(options, resource_version=str(found.revision))
        await self._mark_and_delete(namespace, name, options, context)
        return document_answer(call.request, SUCCESS, 201)

    async def _mark_and_delete(self, namespace: str, name: str, options: DeleteOptions, context: Context) -> None:
        """The pod says why it goes before it goes."""
        if context.dry_run:
            await self._pods.delete(namespace, name, options, context)
            return

        def propose(current: StoredObject) -> Proposal:
            pod = current.fresh_document()
            check_preconditions(self._pods.info, current, options)
            return Proposal(_disrupted(pod, context))

        await self._pods.update(namespace, name, propose, context, self._rule)
        await self._pods.delete(namespace, name, replace(options, resource_version=None), context)

    async def _take_disruption(self, namespace: str, pod: Document, context: Context) -> bool:
        """Raises 429 when the budget does not allow it. True when the pod goes because it is not healthy: then only as
        it is now."""
        budgets = await self._budgets_of(namespace, pod)
        if len(budgets) > 1:
            raise errors.ApiError(
                500,
                "",
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            )
        if not budgets or self._budgets is None:
            return False
        budget = budgets[0]
        if _is_unhealthy_and_free(pod, budget.document):
            return True

        def propose(current: StoredObject) -> Proposal:
            return Proposal(_with_disruption(current.fresh_document(), pod, context))

        await self._budgets.update(namespace, budget.name, propose, context, self._rule)
        return False

    async def _budgets_of(self, namespace: str, pod: Document) -> list[StoredObject]:
        if self._budgets is None:
            return []
        await self._budgets.watch_cache.at_least(self._budgets.store.revision)
        labels = pod["metadata"].get("labels") or {}
        return [one for one in self._budgets.cache.under(namespace) if _selects(one.document, labels)]


_IGNORE_ERRORS = "ignoreStoreReadErrorWithClusterBreakingPotential"


def _check_reads_errors(options: Document, name: str) -> None:
    """Raises 422 for a way to delete what cannot be read."""
    if options.get(_IGNORE_ERRORS):
        path = FieldPath("deleteOptions").child(_IGNORE_ERRORS)
        problem = invalid(path, True, "can not be set for pod eviction, try after removing the option")
        raise errors.invalid("policy", "Eviction", name, [problem])


def _dry_run(options: Document, asked: list[str]) -> list[str]:
    """What the request or the options say of dry runs. Raises 500 where they disagree."""
    stated: list[str] = options.get("dryRun") or []
    if stated and asked and stated != asked:
        both = f"[{' '.join(asked)}] and [{' '.join(stated)}]"
        raise errors.ApiError(500, "", f"Non-matching dry-run options in request and content: {both}")
    return stated or asked


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
    name = metadata["name"]
    status: dict[str, Any] = budget.setdefault("status", {})
    allowed = status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < metadata.get("generation", 0):
        raise _refusal(f"The disruption budget {name} is still being processed by the server.", _RETRY_SECONDS)
    if allowed < 0:
        raise errors.forbidden("poddisruptionbudget.policy", name, "pdb disruptions allowed is negative")
    disrupted: dict[str, str] = status.get("disruptedPods") or {}
    if len(disrupted) > MOST_DISRUPTED:
        raise errors.forbidden(
            "poddisruptionbudget.policy",
            name,
            "DisruptedPods map too big - too many evictions not confirmed by PDB controller",
        )
    if allowed == 0:
        raise _refusal(_why_not(name, status), None)
    status["disruptionsAllowed"] = allowed - 1
    if not context.dry_run:
        status["disruptedPods"] = {**disrupted, pod["metadata"]["name"]: format_time(context.now)}
    if allowed == 1:
        _deny_further(metadata, status, context)
    return budget


def _why_not(name: str, status: Document) -> str:
    condition: Document = next((one for one in status.get("conditions") or () if one.get("type") == _ALLOWED), {})
    message = condition.get("message", "") if condition.get("status") == "False" else ""
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if message and condition.get("reason") == "SyncFailed":
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {message}"
    if healthy <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {healthy} currently"
    if message:
        reason = condition.get("reason", "")
        return f"The disruption budget {name} does not allow evicting pods currently ({reason}): {message}"
    return f"The disruption budget {name} does not allow evicting pods currently"


def _deny_further(metadata: Document, status: Document, context: Context) -> None:
    """The condition of a budget that allows no more."""
    others = [one for one in status.get("conditions") or () if one.get("type") != _ALLOWED]
    known = status.get("conditions") or ()
    before: Document = next((one for one in known if one.get("type") == _ALLOWED), {})
    same = before.get("status") == "False"
    condition = {
        "type": _ALLOWED,
        "status": "False",
        "observedGeneration": status.get("observedGeneration", 0),
        "lastTransitionTime": before["lastTransitionTime"] if same else format_time(context.now),
        "reason": "InsufficientPods",
        "message": "",
    }
    if before:
        index = (status.get("conditions") or []).index(before)
        others.insert(index, condition)
    else:
        others.append(condition)
    status["conditions"] = others


def _disrupted(pod: Document, context: Context) -> Document:
    status = pod.setdefault("status", {})
    conditions = list(status.get("conditions") or ())
    mark = {
        "type": _TARGET,
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": format_time(context.now),
        "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting",
    }
    before = next((one for one in conditions if one.get("type") == _TARGET), None)
    if before is None:
        conditions.append(mark)
    else:
        if before.get("status") == "True":
            mark["lastTransitionTime"] = before.get("lastTransitionTime")
        conditions[conditions.index(before)] = mark
    status["conditions"] = conditions
    return pod


def _refusal(why: str, retry_after: int | None) -> errors.ApiError:
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    details = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    return errors.ApiError(429, "TooManyRequests", message, details, retry_after)


def _decoded(request: ApiRequest) -> Document:
    """In either of the versions that are read. The body of old clients says policy/v1beta1."""
    decoded = decode(request, shape_of("policy", "v1", "Eviction"), _EVICTION, also=("policy/v1beta1",))
    request.warnings.extend(decoded.warnings)
    return decoded.document
