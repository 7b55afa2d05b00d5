"""What classes of storage share: who makes volumes, with which parameters, and where.

Follows pkg/apis/storage/validation and ValidateTopologySelectorTerm in pkg/apis/core/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    duplicate,
    invalid,
    is_qualified_name,
    required,
    too_long,
)
from pybernetes.api.models.core_v1 import TopologySelectorTerm
from pybernetes.apiserver.validation.device_names import check_label_name

MOST_PARAMETERS = 512
LARGEST_PARAMETERS = 256 * 1024


def check_provisioner(name: str, path: FieldPath) -> Iterator[FieldError]:
    if not name:
        yield required(path)
        return
    lowered = name.lower()
    yield from (invalid(path, lowered, message) for message in is_qualified_name(lowered))


def check_parameters(parameters: Mapping[str, str], path: FieldPath) -> Iterator[FieldError]:
    if len(parameters) > MOST_PARAMETERS:
        yield too_long(path, "", MOST_PARAMETERS)
        return
    if "" in parameters:
        yield invalid(path, "", "field can not be empty.")
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > LARGEST_PARAMETERS:
        yield too_long(path, "", LARGEST_PARAMETERS)


def check_topologies(terms: Sequence[TopologySelectorTerm], path: FieldPath) -> Iterator[FieldError]:
    """Upstream counts a term without expressions as a repetition of as many empty ones as there are terms."""
    seen: list[dict[str, frozenset[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        yield from _check_term(term, path[index])
        expressions = {one.key: frozenset(one.values) for one in term.match_label_expressions}
        yield from (duplicate(path[index].matchLabelExpressions, "") for known in seen if known == expressions)
        seen.append(expressions)


def _check_term(term: TopologySelectorTerm, path: FieldPath) -> Iterator[FieldError]:
    keys: set[str] = set()
    for index, expression in enumerate(term.match_label_expressions):
        each = path.matchLabelExpressions[index]
        if not expression.values:
            yield required(each.values)
        for position, value in enumerate(expression.values):
            if value in expression.values[:position]:
                yield duplicate(each.values[position], value)
        yield from check_label_name(expression.key, each.key)
        if expression.key in keys:
            yield duplicate(each.key, expression.key)
        keys.add(expression.key)
