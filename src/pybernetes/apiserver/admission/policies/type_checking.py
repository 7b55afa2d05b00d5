"""What expressions of a policy would trip over, given the types of the kinds that it is about. It changes nothing:
warnings are for the author, in the policy's status.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product

from pybernetes.api.fields import FieldPath, at
from pybernetes.apiserver.cel.admission_types import AUTHORIZATION, REQUEST_VARIABLES
from pybernetes.apiserver.cel.composition import VARIABLES
from pybernetes.apiserver.resource import Document, Resource
from pybernetes.cel import library
from pybernetes.cel.environment import Environment
from pybernetes.cel.errors import CompileError
from pybernetes.cel.types import DYN, Type, object_type

MOST_TYPES = 10
"""Kinds that a rule of the policy is checked against."""

Gvk = tuple[str, str, str]
TypeOf = Callable[[Gvk], Type | None]
"""The type of a kind's objects; None where its schema is not known or tells nothing."""


def expression_warnings(policy: Document, resources: Iterable[Resource], type_of: TypeOf) -> list[dict[str, str]]:
    """`status.typeChecking.expressionWarnings` of a stored policy."""
    spec = policy["spec"]
    typed = [(kind, found) for kind in kinds_of(spec, tuple(resources)) if (found := type_of(kind)) is not None]
    environments = [(kind, _environment(spec, found, type_of)) for kind, found in typed]
    return [
        {"fieldRef": str(path), "warning": warning}
        for path, expression in _expressions(spec)
        if (warning := "\n".join(_problems(expression, environments)))
    ]


def kinds_of(spec: Document, resources: Sequence[Resource]) -> list[Gvk]:
    """Those that the rules name outright, sorted; a rule with a wildcard for groups or versions names none."""
    found: set[Gvk] = set()
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = sorted(rule.get("apiGroups") or ()), sorted(rule.get("apiVersions") or ())
        plurals = sorted(one for one in rule.get("resources") or () if "*" not in one and "/" not in one)
        if any("*" in word for word in (*groups, *versions)):
            continue
        counted = 0
        for wanted in product(groups, versions, plurals):
            for kind in _served(*wanted, resources):
                found.add(kind)
                counted += 1
                if counted == MOST_TYPES:
                    return sorted(found)
    return sorted(found)


def _served(group: str, version: str, plural: str, resources: Sequence[Resource]) -> Iterator[Gvk]:
    """The core group's name is empty, which also stands for any group."""
    for resource in resources:
        info = resource.info
        if info.version == version and plural in (info.plural, resource.singular) and group in ("", info.group):
            yield info.group, info.version, info.kind


def _expressions(spec: Document) -> Iterator[tuple[FieldPath, str]]:
    for index, validation in enumerate(spec.get("validations") or ()):
        path = at.spec.validations[index]
        yield path.expression, validation.get("expression", "")
        if validation.get("messageExpression"):
            yield path.messageExpression, validation["messageExpression"]


def _problems(expression: str, environments: Sequence[tuple[Gvk, Environment]]) -> Iterator[str]:
    for (group, version, kind), environment in environments:
        try:
            environment.compile(expression)
        except CompileError as error:
            yield f"{group}/{version}, Kind={kind}: {error}\n"


def _environment(spec: Document, of_object: Type, type_of: TypeOf) -> Environment:
    declared = {**REQUEST_VARIABLES, **AUTHORIZATION, "object": of_object, "oldObject": of_object}
    if spec.get("paramKind"):
        group, _, version = spec["paramKind"]["apiVersion"].rpartition("/")
        declared["params"] = type_of((group, version, spec["paramKind"]["kind"])) or DYN
    variables: dict[str, Type] = {}
    for variable in spec.get("variables") or ():
        variables[variable["name"]] = _type_of_variable(variable["expression"], declared, variables)
    return _composed(declared, variables)


def _type_of_variable(expression: str, declared: Mapping[str, Type], variables: Mapping[str, Type]) -> Type:
    try:
        return _composed(declared, variables).compile(expression).result
    except CompileError:
        return DYN


def _composed(declared: Mapping[str, Type], variables: Mapping[str, Type]) -> Environment:
    composed = object_type("kubernetes.variables", dict(variables))
    return Environment({**declared, VARIABLES: composed}, library.base())
