"""What a mutation's expression makes of an object.

Follows k8s.io/apiserver/pkg/admission/plugin/policy/mutating/patch.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from pybernetes.api.models.admissionregistration_v1 import MatchCondition
from pybernetes.api.patch import PatchError, checking, json_patch
from pybernetes.api.patch.error import TestFailed
from pybernetes.api.patch.parts import Atomic, Kind, ListKind, MapKind
from pybernetes.api.patch.structured import merge
from pybernetes.apiserver.admission.policies.expressions import Expression, Failed, compiled, composition_of
from pybernetes.apiserver.cel.composition import Composition
from pybernetes.apiserver.cel.mutation_types import JSON_PATCH, OBJECT
from pybernetes.apiserver.resource import Document
from pybernetes.cel.text import string_of
from pybernetes.cel.types import list_of
from pybernetes.cel.values import Made, kind_of


@dataclass(frozen=True, slots=True)
class Mutations:
    """The expressions of a MutatingAdmissionPolicy."""

    composition: Composition
    conditions: list[MatchCondition]
    mutations: list[Mutation]
    params: bool

    @classmethod
    def of(cls, spec: Document) -> Mutations:
        composition = composition_of(spec)
        return cls(
            composition,
            [msgspec.convert(one, MatchCondition) for one in spec.get("matchConditions") or ()],
            [_mutation(composition, one) for one in spec.get("mutations") or ()],
            spec.get("paramKind") is not None,
        )


@dataclass(frozen=True, slots=True)
class Mutation:
    """``is_patch``: the expression gives operations of a JSON patch, else a configuration to apply."""

    expression: Expression
    is_patch: bool


def _mutation(composition: Composition, stated: Document) -> Mutation:
    is_patch = stated.get("patchType") == "JSONPatch"
    text = (stated.get("jsonPatch" if is_patch else "applyConfiguration") or {}).get("expression", "").strip()
    result = list_of(JSON_PATCH) if is_patch else OBJECT
    return Mutation(compiled(composition, text, results=(result,), patches=True), is_patch)


def patched(document: Document, operations: list[Made]) -> Document:
    """``document`` itself if a test in the patch fails. Raises ``Failed``."""
    try:
        return json_patch.apply(document, [_operation(one) for one in operations])
    except TestFailed:
        return document
    except PatchError as error:
        raise Failed(f"JSON Patch: {error}") from error


def _operation(made: Made) -> Document:
    operation = {"op": made.fields.get("op", ""), "path": made.fields.get("path", "")}
    if made.fields.get("from"):
        operation["from"] = made.fields["from"]
    if "value" in made.fields:
        value = made.fields["value"]
        if isinstance(value, Made):
            _check_names(value)
        operation["value"] = plain(value)
    return operation


def applied(document: Document, configuration: Made, kind: Kind) -> Document:
    """The configuration merged into the object, as server-side apply would. Raises ``Failed``."""
    _check_names(configuration)
    config = {**plain(configuration), "apiVersion": document["apiVersion"], "kind": document["kind"]}
    wrong = checking.problems(config, kind)
    if wrong:
        problems = checking.joined(wrong)
        raise Failed(f"error applying patch: failed to convert patch object to typed object: {problems}")
    atomic = list(_atomics(config, kind, ""))
    if atomic:
        why = f"may not mutate atomic arrays, maps or structs: {', '.join(atomic)}"
        raise Failed(f"error applying patch: invalid ApplyConfiguration: {why}")
    try:
        merged: Document = merge(document, config, kind)
    except PatchError as error:
        raise Failed(f"error applying patch: failed to merge patch: {error}") from error
    return merged


def _atomics(value: Any, kind: Kind, path: str) -> Iterator[str]:
    inside = kind.inside if isinstance(kind, Atomic) else kind
    if isinstance(value, dict) and isinstance(inside, MapKind):
        if inside is not kind:
            yield path
        for name, item in value.items():
            if inside.is_struct and inside.declares(name):
                yield from _atomics(item, inside.child(name), f"{path}.{name}")
    elif isinstance(value, list) and isinstance(inside, ListKind):
        if inside is not kind:
            yield path
        for index, item in enumerate(value):
            yield from _atomics(item, inside.element, f"{path}[{index}]")


def _check_names(made: Made) -> None:
    wrong = list(_misnamed(made, [made.type.name]))
    if wrong:
        raise Failed("type mismatch: " + "\n".join(wrong))


def _misnamed(value: Any, path: list[str]) -> Iterator[str]:
    """What stands at a field must be named after the field."""
    if isinstance(value, Made):
        expected = ".".join(path)
        if value.type.name != expected:
            yield (
                f'unexpected type name "{value.type.name}", expected "{expected}", '
                "which matches field name path from root Object type"
            )
        for name, item in value.fields.items():
            yield from _misnamed(item, [*path, name])
    elif isinstance(value, list):
        for item in value:
            yield from _misnamed(item, path)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _misnamed(item, path)


def plain(value: Any) -> Any:
    """As JSON."""
    if isinstance(value, Made):
        return {name: plain(item) for name, item in value.fields.items()}
    match kind_of(value):
        case "list":
            return [plain(item) for item in value]
        case "map":
            return {str(name): plain(item) for name, item in value.items()}
        case "uint":
            return int(value)
        case "bytes":
            return base64.b64encode(value).decode()
        case "duration" | "timestamp":
            return string_of(value)
        case "bool" | "int" | "double" | "string" | "null":
            return value
        case other:
            message = "JSONPath valueExpression evaluated to a type that could not marshal to JSON"
            raise Failed(f"{message}: {other}")
