"""No document that decodes makes a kind fail: what is wrong with it is said, and everything can be printed."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

import pytest

from apiserver.resources.support import CONTEXT, NOW, completed_by, model
from pybernetes.api.errors import ApiError
from pybernetes.api.schema import Definition, definition, shape_of
from pybernetes.apiserver.resource import Document, Resource, ScaleSubresource, SpecialSubresource, StatusSubresource
from pybernetes.apiserver.resources import load

RESOURCES = load()
ROUNDS = 20
WORDS = ("", "a", "web", "A b", "..", "None", "Always", "ClusterIP", "LoadBalancer", "In", "Exists", "10.0.0.1", "100%")
VALUES: dict[str, tuple[Any, ...]] = {
    "string": WORDS,
    "any": ({"a": 1}, 1),
    "int32": (0, 1, -1, 80, 70000),
    "int64": (0, 1, -1, 80),
    "boolean": (True, False),
    "quantity": ("0", "1", "100m", "-1", "1Gi"),
    "double": (1.5,),
    "intstr": (0, 1, "50%", "http"),
    "time": ("2030-01-01T00:00:00Z",),
    "microtime": ("2030-01-01T00:00:00.000000Z",),
    "bytes": ("", "YQ=="),
}


class Generator:
    def __init__(self, seed: str) -> None:
        self.random = Random(seed)

    def struct(self, facts: Definition, depth: int) -> Document:
        filled: Document = {}
        for name, field in facts.fields.items():
            if name in ("managedFields", "apiVersion", "kind") or self.random.random() < 0.5 + depth / 20:
                continue
            filled[name] = self.value(field.type, depth + 1)
        return filled

    def value(self, kind: str, depth: int) -> Any:
        if kind.startswith("[]"):
            return [self.value(kind[2:], depth) for _ in range(self.random.choice((0, 1, 2)))]
        if kind.startswith("{}"):
            return {word: self.value(kind[2:], depth) for word in self.random.sample(WORDS, 2)}
        if "." in kind:
            return self.struct(definition(kind), depth) if depth < 9 else {}
        return self.random.choice(VALUES[kind])


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.info.group_resource)
def test_any_document_is_judged_changed_and_printed_without_a_failure(resource: Resource) -> None:
    info = resource.info
    generator = Generator(info.group_resource)
    facts = shape_of(info.group, info.version, info.kind).definition
    rules = resource.rules
    assert rules.validate is not None
    for _ in range(ROUNDS):
        first, second = (generator.struct(facts, 0) for _ in range(2))
        old, new = completed_by(resource, first), completed_by(resource, second)
        for document in (old, new):
            list(rules.validate(model(rules, document)))
            for column in rules.columns:
                column.extract(document, NOW)
            for get in rules.selectable.values():
                assert isinstance(get(document), str)
        change(rules, new, old)


def change(resource: Resource, new: Document, old: Document) -> None:
    assert resource.validate_update is not None
    if resource.prepare_update is not None:
        resource.prepare_update(new, old, CONTEXT)
    list(resource.validate_update(model(resource, new), model(resource, old)))
    if resource.generation is not None:
        resource.generation(new, old)
    if resource.grace is not None:
        resource.grace(old, None)
    for subresource in resource.subresources:
        if isinstance(subresource, ScaleSubresource):
            assert isinstance(subresource.selector(old), str)
            continue
        prepare = subresource.parent_update if isinstance(subresource, SpecialSubresource) else subresource.prepare
        if prepare is not None:
            prepare(new, old, CONTEXT)
        if subresource.validate is not None:
            list(subresource.validate(model(resource, new), model(resource, old)))
        assert isinstance(subresource, (SpecialSubresource, StatusSubresource))


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.info.group_resource)
def test_defaults_change_nothing_the_second_time(resource: Resource) -> None:
    if resource.defaults is None:
        return
    info = resource.info
    generator = Generator(f"again {info.group_resource}")
    shape = shape_of(info.group, info.version, info.kind)
    for _ in range(ROUNDS):
        once = shape.read(generator.struct(shape.definition, 0)).document
        once.setdefault("metadata", {})
        try:
            resource.defaults(once)
        except ApiError as refused:
            # Some of a definition's fields are read with its defaults, and may be unreadable.
            if refused.code != 400:
                raise
            continue
        twice = copy.deepcopy(once)
        resource.defaults(twice)
        assert twice == once
        assert shape.read(twice).document == once
