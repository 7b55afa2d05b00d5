"""Which policies a request meets, through which bindings and with which parameters.

Policies and bindings are compiled when they change, expressions when the first request meets them; without bindings a
request costs two comparisons.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/generic.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pybernetes.api import errors
from pybernetes.apiserver.admission.compiled import Compiled
from pybernetes.apiserver.admission.contract import Attributes
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.policies.constraints import Constraints
from pybernetes.apiserver.admission.policies.params import Misconfigured, Params
from pybernetes.apiserver.admission.request_rules import Asked
from pybernetes.apiserver.admission.webhooks.equivalents import Equivalents
from pybernetes.apiserver.resource import Document, Resource

E = TypeVar("E")


@dataclass(slots=True, eq=False)
class Policy(Generic[E]):
    """``expressions`` are compiled when they are first asked for."""

    document: Document
    constraints: Constraints
    _compile: Callable[[Document], E]
    _expressions: E | None = None

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def spec(self) -> Document:
        spec: Document = self.document["spec"]
        return spec

    @property
    def ignores_failure(self) -> bool:
        return self.spec.get("failurePolicy") == "Ignore"

    @property
    def expressions(self) -> E:
        if self._expressions is None:
            self._expressions = self._compile(self.document)
        return self._expressions


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    document: Document
    constraints: Constraints | None

    @property
    def name(self) -> str:
        return str(self.document["metadata"]["name"])

    @property
    def spec(self) -> Document:
        spec: Document = self.document["spec"]
        return spec


@dataclass(frozen=True, slots=True)
class Invocation(Generic[E]):
    """``seen`` is the request in the version that the policy asks for."""

    policy: Policy[E]
    binding: Binding
    resource: Resource
    seen: Attributes
    param: Document | None


@dataclass(frozen=True, slots=True)
class Misconfiguration(Generic[E]):
    """``message`` says what is wrong with the policy, or with the binding if there is one."""

    policy: Policy[E]
    binding: Binding | None
    problem: str

    @property
    def message(self) -> str:
        return f"failed to configure {'policy' if self.binding is None else 'binding'}: {self.problem}"


class Invocations(Generic[E]):
    def __init__(self, host: Host, policies: str, bindings: str, compile: Callable[[Document], E]) -> None:
        self._compile = compile
        self._policies = Compiled(host.reader, policies, self._compiled_policies)
        self._bindings = Compiled(host.reader, bindings, _compiled_bindings)
        self._equivalents = Equivalents(host)
        self._params = Params(host)
        self._reader = host.reader

    @property
    def equivalents(self) -> Equivalents:
        return self._equivalents

    async def of(self, attributes: Attributes) -> AsyncIterator[Invocation[E] | Misconfiguration[E]]:
        """In the order of the policies' names, then of the bindings'."""
        bindings = self._bindings.now()
        if not bindings or Asked.of(attributes).is_exempt:
            return
        policies = self._policies.now()
        equivalents = list(self._equivalents.of(attributes.resource, attributes.subresource))
        for name in sorted(bindings):
            policy = policies.get(name)
            if policy is not None:
                async for one in self._of_policy(policy, bindings[name], attributes, equivalents):
                    yield one

    async def _of_policy(
        self, policy: Policy[E], bindings: list[Binding], attributes: Attributes, equivalents: list[Resource]
    ) -> AsyncIterator[Invocation[E] | Misconfiguration[E]]:
        kind = policy.spec.get("paramKind")
        try:
            resource = policy.constraints.match(attributes, equivalents, self._reader)
            if resource is None:
                return
            if kind is not None:
                self._params.resource_of(kind)
        except (Misconfigured, errors.ApiError) as error:
            yield Misconfiguration(policy, None, _text(error))
            return
        seen = await self._equivalents.seen_as(attributes, resource)
        for binding in bindings:
            try:
                if binding.constraints is not None and (
                    binding.constraints.match(attributes, equivalents, self._reader) is None
                ):
                    continue
                params = await self._params.collect(kind, binding.spec.get("paramRef"), attributes.namespace)
            except (Misconfigured, errors.ApiError) as error:
                yield Misconfiguration(policy, binding, _text(error))
                continue
            for param in params:
                yield Invocation(policy, binding, resource, seen, param)

    def _compiled_policies(self, documents: Iterable[Document]) -> dict[str, Policy[E]]:
        return {
            one["metadata"]["name"]: Policy(
                one, Constraints.of(one["spec"].get("matchConstraints") or {}), self._compile
            )
            for one in documents
        }


def _compiled_bindings(documents: Iterable[Document]) -> dict[str, list[Binding]]:
    """By the policy's name."""
    found: dict[str, list[Binding]] = {}
    for one in sorted(documents, key=lambda one: str(one["metadata"]["name"])):
        match = one["spec"].get("matchResources")
        binding = Binding(one, None if match is None else Constraints.of(match))
        found.setdefault(one["spec"].get("policyName", ""), []).append(binding)
    return found


def _text(error: Misconfigured | errors.ApiError) -> str:
    return error.message if isinstance(error, errors.ApiError) else str(error)
