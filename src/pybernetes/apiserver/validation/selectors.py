"""Label selectors inside objects, and the rule that a workload selects the pods it makes.

Follows apimachinery's pkg/apis/meta/v1/validation and pkg/apis/apps/validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pybernetes.api.fields import FieldError, FieldPath, forbidden, invalid, required
from pybernetes.api.models.meta_v1 import LabelSelector, LabelSelectorRequirement
from pybernetes.api.selectors import LabelSelector as Selector
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.metadata import check_labels, label_key_messages, label_value_messages


def check_label_selector(selector: LabelSelector | None, path: FieldPath) -> Iterator[FieldError]:
    if selector is None:
        return
    yield from check_labels(selector.match_labels, path.matchLabels)
    for index, requirement in enumerate(selector.match_expressions):
        yield from check_requirement(requirement, path.matchExpressions[index])


def check_requirement(requirement: LabelSelectorRequirement, path: FieldPath) -> Iterator[FieldError]:
    match requirement.operator:
        case "In" | "NotIn":
            if not requirement.values:
                yield required(path.values, "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if requirement.values:
                yield forbidden(path.values, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
        case other:
            yield invalid(path.operator, other, "not a valid selector operator")
    yield from (invalid(path.key, requirement.key, message) for message in label_key_messages(requirement.key))
    for index, value in enumerate(requirement.values):
        yield from (invalid(path.values[index], value, message) for message in label_value_messages(value))


def is_empty(selector: LabelSelector) -> bool:
    return not selector.match_labels and not selector.match_expressions


def check_selector_given(selector: LabelSelector | None, path: FieldPath, kind: str) -> Iterator[FieldError]:
    """A workload's selector is there, well-formed and not empty."""
    if selector is None:
        yield required(path)
        return
    yield from check_label_selector(selector, path)
    if is_empty(selector):
        yield invalid(path, {}, f"empty selector is invalid for {kind}")


def check_convertible(selector: LabelSelector | None, path: FieldPath, detail: str) -> Iterator[FieldError]:
    """Whether the selector can be asked at all; where it cannot, the template is not looked at."""
    if selector is not None and any(check_label_selector(selector, path)):
        yield invalid(path, internal_form(selector), detail)


def check_matches_template(
    selector: LabelSelector | None, labels: Mapping[str, str], path: FieldPath
) -> Iterator[FieldError]:
    """A workload selects the pods it makes. No selector selects nothing, an empty one is somebody else's error."""
    if selector is not None and (is_empty(selector) or Selector.from_model(selector).matches(labels)):
        return
    yield invalid(path.metadata.labels, internal_form(dict(labels)), "`selector` does not match template `labels`")
