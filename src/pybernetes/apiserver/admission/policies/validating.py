"""ValidatingAdmissionPolicy: expressions that a write must meet.

Guarantees  Every policy that is concerned is asked; of several refusals the first is told.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.policies.invocations import Invocation, Invocations, Misconfiguration
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document

if TYPE_CHECKING:
    from pybernetes.apiserver.admission.policies.verdicts import Rules, Violation

GROUP = "admissionregistration.k8s.io"
POLICIES = f"validatingadmissionpolicies.{GROUP}"
BINDINGS = f"validatingadmissionpolicybindings.{GROUP}"
FAILURE_KEY = "validation.policy.admission.k8s.io/validation_failure"
LONGEST_ANNOTATION = 10 * 1024
_CODES = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413}


@dataclass(frozen=True, slots=True)
class _Denial:
    policy: str
    binding: str
    message: str
    reason: str = ""

    @property
    def text(self) -> str:
        bound = f" with binding '{self.binding}'" if self.binding else ""
        return f"ValidatingAdmissionPolicy '{self.policy}'{bound} denied request: {self.message}"


class ValidatingAdmissionPolicy(Plugin):
    name = "ValidatingAdmissionPolicy"
    needs = BINDINGS

    def __init__(self, host: Host) -> None:
        self._invocations: Invocations[Rules] = Invocations(host, POLICIES, BINDINGS, _rules)
        self._authorizer = host.authorizer
        self._reader = host.reader

    @classmethod
    def build(cls, host: Host) -> Self:
        return cls(host)

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        return True

    async def validate(self, attributes: Attributes) -> None:
        denials: list[_Denial] = []
        told: dict[str, list[str]] = {}
        async for one in self._invocations.of(attributes):
            if isinstance(one, Misconfiguration):
                if not one.policy.ignores_failure:
                    bound = one.binding.name if one.binding is not None else ""
                    denials.append(_Denial(one.policy.name, bound, one.message))
            else:
                denials += await self._judged(one, attributes, told)
        for key, values in told.items():
            attributes.annotate(key, ", ".join(dict.fromkeys(values)))
        if denials:
            raise _refusal(attributes, denials[0])

    async def _judged(
        self, one: Invocation[Rules], attributes: Attributes, told: dict[str, list[str]]
    ) -> list[_Denial]:
        """``told`` gathers what the audit log shall tell, over all bindings."""
        from pybernetes.apiserver.admission.policies.verdicts import judge

        result = await judge(one, self._authorizer, self._namespace(attributes))
        actions = one.binding.spec.get("validationActions") or ()
        denials = [_Denial(one.policy.name, one.binding.name, problem) for problem in result.annotation_problems]
        for key, value in result.annotations:
            told.setdefault(f"{one.policy.name}/{key}", []).append(value[:LONGEST_ANNOTATION])
        for violation in result.violations:
            if "Audit" in actions:
                attributes.annotate(FAILURE_KEY, _failure(one, violation))
            if "Deny" in actions:
                denials.append(_Denial(one.policy.name, one.binding.name, violation.message, violation.reason))
            if "Warn" in actions:
                attributes.warn(
                    f"Validation failed for ValidatingAdmissionPolicy '{one.policy.name}' "
                    f"with binding '{one.binding.name}': {violation.message}"
                )
        return denials

    def _namespace(self, attributes: Attributes) -> Document | None:
        return namespace_object(self._reader, attributes)


def namespace_object(reader: Reader, attributes: Attributes) -> Document | None:
    """`namespaceObject`: None for what is in no namespace, and for namespaces. Raises 404."""
    if not attributes.namespace or attributes.resource.info.group_resource == "namespaces":
        return None
    found = reader.get("namespaces", "", attributes.namespace)
    if found is None:
        raise errors.not_found("namespaces", attributes.namespace)
    return found


def _failure(one: Invocation[Rules], violation: Violation) -> str:
    told = {
        "message": violation.message,
        "policy": one.policy.name,
        "binding": one.binding.name,
        "expressionIndex": violation.index,
        "validationActions": one.binding.spec.get("validationActions") or [],
    }
    return orjson.dumps([told]).decode()


def _rules(document: Document) -> Rules:
    from pybernetes.apiserver.admission.policies.verdicts import Rules

    return Rules.of(document["spec"])


def _refusal(attributes: Attributes, denial: _Denial) -> errors.ApiError:
    error = forbidden(attributes, denial.text)
    error.reason = denial.reason or "Invalid"
    error.code = _CODES.get(error.reason, 422)
    error.details = {**(error.details or {}), "causes": [{"message": denial.text}]}
    return error
