"""When a job's pods count as failed, and when the job has succeeded before all of them have.

Follows validatePodFailurePolicy and validateSuccessPolicy in pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pybernetes.api.fields import (
    ErrorType,
    FieldError,
    FieldPath,
    duplicate,
    invalid,
    not_supported,
    quoted,
    required,
    too_long,
    too_many,
    without_value,
)
from pybernetes.api.models.batch_v1 import (
    JobSpec,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from pybernetes.apiserver.validation.job_indexes import count_indexes
from pybernetes.apiserver.validation.metadata import label_key_messages
from pybernetes.apiserver.validation.simple import check_not_negative

MOST_RULES = 20
MOST_EXIT_CODES = 255
MOST_CONDITIONS = 20
LONGEST_INDEXES = 64 * 1024
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_OPERATORS = ("In", "NotIn")
_STATUSES = ("False", "True", "Unknown")


def check_failure_policy(spec: JobSpec, policy: PodFailurePolicy, path: FieldPath) -> Iterator[FieldError]:
    if len(policy.rules) > MOST_RULES:
        yield too_many(path.rules, len(policy.rules), MOST_RULES)
    names = {one.name for one in (*spec.template.spec.containers, *spec.template.spec.init_containers)}
    for index, rule in enumerate(policy.rules):
        yield from _check_failure_rule(spec, rule, names, path.rules[index])


def _listed(values: Iterable[str]) -> str:
    """As Go prints them."""
    return f"valid values: [{' '.join(quoted(value) for value in values)}]"


def _check_failure_rule(
    spec: JobSpec, rule: PodFailurePolicyRule, containers: set[str], path: FieldPath
) -> Iterator[FieldError]:
    if not rule.action:
        yield required(path.action, _listed(_ACTIONS))
    elif rule.action not in _ACTIONS:
        yield not_supported(path.action, rule.action, _ACTIONS)
    elif rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
        yield invalid(path.action, rule.action, "requires the backoffLimitPerIndex to be set")
    codes, conditions = rule.on_exit_codes, rule.on_pod_conditions
    if codes is not None:
        yield from _check_exit_codes(codes, containers, path.onExitCodes)
    if len(conditions) > MOST_CONDITIONS:
        yield too_many(path.onPodConditions, len(conditions), MOST_CONDITIONS)
    for index, pattern in enumerate(conditions):
        yield from _check_pattern(pattern, path.onPodConditions[index])
    if codes is not None and conditions:
        message = "specifying both OnExitCodes and OnPodConditions is not supported"
        yield without_value(ErrorType.INVALID, path, message)
    if codes is None and not conditions:
        message = "specifying one of OnExitCodes and OnPodConditions is required"
        yield without_value(ErrorType.INVALID, path, message)


def _check_exit_codes(
    codes: PodFailurePolicyOnExitCodesRequirement, containers: set[str], path: FieldPath
) -> Iterator[FieldError]:
    if not codes.operator:
        yield required(path.operator, _listed(_OPERATORS))
    elif codes.operator not in _OPERATORS:
        yield not_supported(path.operator, codes.operator, _OPERATORS)
    if codes.container_name is not None and codes.container_name not in containers:
        message = "must be one of the container or initContainer names in the pod template"
        yield invalid(path.containerName, codes.container_name, message)
    if not codes.values:
        yield invalid(path.values, None, "at least one value is required")
    elif len(codes.values) > MOST_EXIT_CODES:
        yield too_many(path.values, len(codes.values), MOST_EXIT_CODES)
    for index, value in enumerate(codes.values):
        if codes.operator == "In" and value == 0:
            yield invalid(path.values[index], value, "must not be 0 for the In operator")
        if value in codes.values[:index]:
            yield duplicate(path.values[index], value)
    if codes.values != sorted(codes.values):
        yield invalid(path.values, codes.values, "must be ordered")


def _check_pattern(pattern: PodFailurePolicyOnPodConditionsPattern, path: FieldPath) -> Iterator[FieldError]:
    yield from (invalid(path.type, pattern.type, message) for message in label_key_messages(pattern.type))
    if not pattern.status:
        yield required(path.status, _listed(_STATUSES))
    elif pattern.status not in _STATUSES:
        yield not_supported(path.status, pattern.status, _STATUSES)


def check_success_policy(policy: SuccessPolicy, completions: int, path: FieldPath) -> Iterator[FieldError]:
    if not policy.rules:
        yield required(path.rules, "at least one rules must be specified when the successPolicy is specified")
    if len(policy.rules) > MOST_RULES:
        yield too_many(path.rules, len(policy.rules), MOST_RULES)
    for index, rule in enumerate(policy.rules):
        yield from _check_success_rule(rule, completions, path.rules[index])


def _check_success_rule(rule: SuccessPolicyRule, completions: int, path: FieldPath) -> Iterator[FieldError]:
    count, indexes = rule.succeeded_count, rule.succeeded_indexes
    if count is None and indexes is None:
        yield required(path, "at least one of succeededCount or succeededIndexes must be specified")
    total = 0
    if indexes is not None:
        if len(indexes) > LONGEST_INDEXES:
            yield too_long(path.succeededIndexes, "", LONGEST_INDEXES)
        try:
            total = count_indexes(indexes, completions)
        except ValueError as error:
            yield invalid(path.succeededIndexes, indexes, f"error parsing succeededIndexes: {error}")
    if count is None:
        return
    yield from check_not_negative(count, path.succeededCount)
    if count > completions:
        message = f"must be less than or equal to {completions} (the number of specified completions)"
        yield invalid(path.succeededCount, count, message)
    if indexes is not None and count > total:
        what = "the number of indexes in the specified succeededIndexes field"
        yield invalid(path.succeededCount, count, f"must be less than or equal to {total} ({what})")
