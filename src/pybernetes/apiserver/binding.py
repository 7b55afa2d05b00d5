"""`pods/binding`, and `bindings` as its older form: a scheduler's word on which node a pod goes to.

Guarantees  A pod is bound once; a pod that is going or gated is not bound.
Follows pkg/registry/core/pod/storage/storage.go.
"""

from __future__ import annotations

from functools import cache

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.api.fields import aggregate, at, not_supported, required
from pybernetes.api.kinds import KindInfo
from pybernetes.api.meta import format_time
from pybernetes.api.schema import Shape, definition
from pybernetes.apiserver.admission.contract import Attributes, Kind, Operation
from pybernetes.apiserver.answers import document_answer
from pybernetes.apiserver.contexts import context_of
from pybernetes.apiserver.decoding import decode
from pybernetes.apiserver.discovery.served import Kind as ServedKind
from pybernetes.apiserver.discovery.served import ServedResource, ServedVersion
from pybernetes.apiserver.http import ApiResponse
from pybernetes.apiserver.negotiation import require_acceptable
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.routes import Call, Routes

_SUBRESOURCE = "pods/binding"
_BINDING = KindInfo("", "v1", "Binding", "bindings", True, "core_v1")
_ADMITTED = Kind("", "v1", "Binding")
_SERVED = ServedResource("bindings", "binding", True, ServedKind("", "v1", "Binding"), ("create",))
SERVED = (ServedVersion("", "v1", (_SERVED,)),)
SUCCESS: Document = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


@cache
def _shape() -> Shape:
    return Shape(definition("core_v1.Binding"))


class Binder:
    def __init__(self, pods: Registry, clock: Clock) -> None:
        self._pods = pods
        self._clock = clock

    def register(self, routes: Routes) -> None:
        routes.subresource("", "pods", "binding", self.bind)
        routes.resource("", "v1", "bindings", self.bind_named)

    async def bind(self, call: Call) -> ApiResponse:
        if call.info.verb != "create":
            raise errors.method_not_allowed()
        binding = _read(call)
        return await self._carry_out(call, binding, call.info.name)

    async def bind_named(self, call: Call) -> ApiResponse:
        """The binding itself names the pod."""
        if call.info.name or not call.info.namespace:
            raise errors.path_not_found()
        if call.info.verb != "create":
            raise errors.method_not_allowed()
        require_acceptable(call.request, call.info.verb)
        binding = _read(call)
        metadata = binding.get("metadata") or {}
        if metadata.get("namespace", call.info.namespace) != call.info.namespace:
            message = "the namespace of the provided object does not match the namespace sent on the request"
            raise errors.bad_request(message)
        if not metadata.get("name"):
            _check_target(binding)
            raise errors.bad_request("Name parameter required.")
        return await self._carry_out(call, binding, metadata["name"])

    async def _carry_out(self, call: Call, binding: Document, name: str) -> ApiResponse:
        namespace = call.info.namespace
        context = context_of(call, self._clock)
        attributes = Attributes(
            Operation.CREATE, self._pods.resource, namespace, name, context, binding, None, "binding", _ADMITTED
        )
        binding.setdefault("metadata", {})["namespace"] = namespace
        await self._pods.admission.mutate(attributes)
        _check(binding, name)
        await self._pods.admission.validate(attributes)

        def bound(current: StoredObject) -> Document:
            pod = current.fresh_document()
            self._check_preconditions(binding["metadata"], pod, context)
            _require_bindable(pod)
            return _bound(pod, binding, format_time(context.now))

        await self._pods.guaranteed_update(namespace, name, bound, context)
        return document_answer(call.request, SUCCESS, 201)

    def _check_preconditions(self, stated: Document, pod: Document, context: Context) -> None:
        """Raises 409 when the scheduler means another pod, or the pod as it was."""
        metadata = pod["metadata"]
        uid, version = stated.get("uid"), stated.get("resourceVersion")
        if uid and uid != metadata["uid"]:
            raise self._pods.uid_mismatch(metadata, uid, dry_run=context.dry_run)
        if version and version != metadata["resourceVersion"]:
            raise self._pods.version_mismatch(metadata, version, dry_run=context.dry_run)


def _read(call: Call) -> Document:
    decoded = decode(call.request, _shape(), _BINDING)
    call.request.warnings.extend(decoded.warnings)
    return decoded.document


def _check(binding: Document, name: str) -> None:
    if (binding.get("metadata") or {}).get("name", "") != name:
        raise errors.bad_request("name in URL does not match name in Binding object")
    _check_target(binding)


def _check_target(binding: Document) -> None:
    """Raises 500, as upstream does."""
    target = binding.get("target") or {}
    problems = []
    if target.get("kind") not in (None, "", "Node"):
        problems.append(not_supported(at.target.kind, target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        problems.append(required(at.target.name))
    if problems:
        raise errors.ApiError(500, "", aggregate(problems))


def _require_bindable(pod: Document) -> None:
    metadata, spec = pod["metadata"], pod["spec"]
    name = metadata["name"]
    if metadata.get("deletionTimestamp"):
        why = f"pod {name} is being deleted, cannot be assigned to a host"
    elif spec.get("nodeName"):
        why = f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    elif spec.get("schedulingGates"):
        why = f"pod {name} has non-empty .spec.schedulingGates"
    else:
        return
    raise errors.conflict(_SUBRESOURCE, name, why)


def _bound(pod: Document, binding: Document, now: str) -> Document:
    pod["spec"]["nodeName"] = binding["target"]["name"]
    stated = binding.get("metadata") or {}
    for field in ("annotations", "labels"):
        if stated.get(field):
            pod["metadata"].setdefault(field, {}).update(stated[field])
    status = pod.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    others = [one for one in status.get("conditions") or () if one.get("type") != "PodScheduled"]
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now}
    status["conditions"] = [*others, scheduled]
    return pod
