"""MutatingAdmissionPolicy: expressions that change what is written, one policy after the other.

Guarantees  Each sees what those before it have made of the object, completed with defaults. When the object has changed
            after a policy that may be asked again (`IfNeeded`), it is asked again, once.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/mutating.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import orjson

from pybernetes.api import errors
from pybernetes.api.schema import DecodeError
from pybernetes.apiserver.admission.contract import Attributes, Mutated, Operation, Plugin
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.policies.invocations import Invocation, Invocations, Misconfiguration
from pybernetes.apiserver.admission.policies.validating import namespace_object
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

if TYPE_CHECKING:
    from pybernetes.apiserver.admission.policies.mutations import Mutation, Mutations

GROUP = "admissionregistration.k8s.io"
POLICIES = f"mutatingadmissionpolicies.{GROUP}"
BINDINGS = f"mutatingadmissionpolicybindings.{GROUP}"
_HANDLED = frozenset({Operation.CREATE, Operation.UPDATE, Operation.CONNECT})
Key = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class _Problem:
    message: str
    reason: str = ""


@dataclass(slots=True)
class _Turn:
    """``asked``: what may be asked again; ``due``: those of them after whom the object has changed."""

    asked: set[Key] = field(default_factory=set)
    due: set[Key] = field(default_factory=set)

    def everybody(self) -> None:
        self.due |= self.asked
        self.asked.clear()


class MutatingAdmissionPolicy(Plugin):
    name = "MutatingAdmissionPolicy"
    needs = BINDINGS

    def __init__(self, host: Host) -> None:
        self._invocations: Invocations[Mutations] = Invocations(host, POLICIES, BINDINGS, _mutations)
        self._authorizer = host.authorizer
        self._reader = host.reader
        self._registry = host.registry

    @classmethod
    def build(cls, host: Host) -> Self:
        return cls(host)

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return operation in _HANDLED

    async def mutate(self, attributes: Attributes) -> Mutated | None:
        turn = _Turn()
        met, changed = await self._run(attributes, turn, again=False)
        if not met:
            return None
        output = orjson.dumps(attributes.document)

        async def once_more() -> None:
            if orjson.dumps(attributes.document) != output:
                turn.everybody()
            if turn.due:
                await self._run(attributes, turn, again=True)

        return Mutated(changed, once_more)

    async def _run(self, attributes: Attributes, turn: _Turn, *, again: bool) -> tuple[bool, bool]:
        """(whether any policy is concerned, whether the object has changed)"""
        found = [one async for one in self._invocations.of(attributes)]
        problems: list[_Problem] = []
        changed = False
        for one in found:
            if isinstance(one, Misconfiguration):
                if not one.policy.ignores_failure:
                    problems.append(_Problem(_misconfigured(one)))
            elif not again or _key(one) in turn.due:
                changed |= await self._apply(one, attributes, turn, problems)
        if problems:
            raise _refusal(attributes, problems)
        return bool(found), changed

    async def _apply(
        self, one: Invocation[Mutations], attributes: Attributes, turn: _Turn, problems: list[_Problem]
    ) -> bool:
        from pybernetes.apiserver.admission.policies.expressions import Failed, OutOfBudget
        from pybernetes.apiserver.cel.match_conditions import MatchConditions

        mutations = one.policy.expressions
        seen = await self._invocations.equivalents.seen_as(attributes, one.resource)
        conditions = MatchConditions(mutations.conditions, self._authorizer, params=mutations.params)
        verdict = await conditions.evaluate(seen, params=one.param)
        if verdict.error:
            if not one.policy.ignores_failure:
                problems.append(_denied(one, verdict.error))
            return False
        if not verdict.matches or attributes.document is None:
            return False
        before = orjson.dumps(attributes.document)
        for mutation in mutations.mutations:
            try:
                await self._mutate(mutation, one, attributes)
            except (Failed, OutOfBudget) as error:
                if not one.policy.ignores_failure:
                    problems.append(_denied(one, str(error)))
        changed = orjson.dumps(attributes.document) != before
        if changed:
            turn.everybody()
        if one.policy.spec.get("reinvocationPolicy") == "IfNeeded":
            turn.asked.add(_key(one))
        return changed

    async def _mutate(self, mutation: Mutation, one: Invocation[Mutations], attributes: Attributes) -> None:
        from pybernetes.apiserver.admission.policies.expressions import Evaluation, namespace_value
        from pybernetes.apiserver.admission.policies.mutations import applied, patched
        from pybernetes.apiserver.cel.admission_values import RequestValues

        seen = await self._invocations.equivalents.seen_as(attributes, one.resource)
        assert seen.document is not None
        values = RequestValues(seen, self._authorizer)
        namespace = namespace_value(namespace_object(self._reader, attributes))
        variables = {**values.variables(), **namespace, "params": one.param}
        composition = one.policy.expressions.composition
        value = await values.settled(lambda: Evaluation(composition, variables).value_of(mutation.expression))
        if mutation.is_patch:
            new = patched(seen.document, value)
        else:
            if seen.of_kind is not None:
                raise _unknown_kind(seen)
            info = seen.resource.info
            new = applied(seen.document, value, self._registry(info.group, info.version, info.plural).typed.kind)
        completed = self._completed(new, seen)
        if one.resource is not attributes.resource and attributes.of_kind is None:
            completed = await self._invocations.equivalents.convert(completed, one.resource, attributes.resource)
        attributes.replace_document(completed)

    def _completed(self, document: Document, seen: Attributes) -> Document:
        """Read anew against the schema, with defaults for what is new."""
        copied: Document = orjson.loads(orjson.dumps(document))
        if seen.of_kind is not None:
            return copied
        info = seen.resource.info
        try:
            read: Document = self._registry(info.group, info.version, info.plural).shape.read(copied).document
        except DecodeError as error:
            raise errors.internal_error(str(error)) from error
        if seen.resource.defaults is not None:
            seen.resource.defaults(read)
        return read


def _mutations(document: Document) -> Mutations:
    from pybernetes.apiserver.admission.policies.mutations import Mutations

    return Mutations.of(document["spec"])


def _key(one: Invocation[Mutations]) -> Key:
    metadata = (one.param or {}).get("metadata") or {}
    return one.policy.name, one.binding.name, metadata.get("namespace", ""), metadata.get("name", "")


def _denied(one: Invocation[Mutations], why: str) -> _Problem:
    return _Problem(f"policy '{one.policy.name}' with binding '{one.binding.name}' denied request: {why}", "Invalid")


def _misconfigured(one: Misconfiguration[Mutations]) -> str:
    if one.binding is None:
        return f'policy "{one.policy.name}" denied request: {one.message}'
    return f"policy '{one.policy.name}' with binding '{one.binding.name}' denied request: {one.message}"


def _refusal(attributes: Attributes, problems: list[_Problem]) -> errors.ApiError:
    error = forbidden(attributes, "")
    error.message = problems[0].message
    error.reason = problems[0].reason or error.reason
    error.details = {**(error.details or {}), "causes": [{"message": one.message} for one in problems]}
    return error


def _unknown_kind(seen: Attributes) -> errors.ApiError:
    kind = seen.kind
    return errors.service_unavailable(
        f"Resource kind {kind.group}/{kind.version}, Kind={kind.kind} not found. There can be a delay between when "
        "CustomResourceDefinitions are created and when they are available."
    )
