"""What a job's spec may say; cron jobs have one inside.

Follows pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_label, not_supported, required
from pybernetes.api.models.batch_v1 import Job, JobSpec, PodFailurePolicy, PodFailurePolicyRule, SuccessPolicy
from pybernetes.api.selectors import LabelSelector as Selector
from pybernetes.apiserver.validation.pod_spec import check_pod_template
from pybernetes.apiserver.validation.selectors import check_label_selector
from pybernetes.apiserver.validation.simple import check_unchanged
from pybernetes.apiserver.validation.workload import check_not_negatives

INDEXED = "Indexed"
MAXIMUM_PARALLELISM = 100_000
MAXIMUM_RULES = 20
MAXIMUM_EXIT_CODES = 255
JOB_NAME = "batch.kubernetes.io/job-name"
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
OLD_JOB_NAME = "job-name"
OLD_CONTROLLER_UID = "controller-uid"
_ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")


def check_job_spec(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    yield from check_not_negatives(
        path,
        {
            "parallelism": spec.parallelism,
            "completions": spec.completions,
            "activeDeadlineSeconds": spec.active_deadline_seconds,
            "backoffLimit": spec.backoff_limit,
            "ttlSecondsAfterFinished": spec.ttl_seconds_after_finished,
            "backoffLimitPerIndex": spec.backoff_limit_per_index,
            "maxFailedIndexes": spec.max_failed_indexes,
        },
    )
    yield from _check_completion(spec, path)
    yield from check_pod_template(spec.template, path.template)
    yield from _check_restart_policy(spec, path.template.spec.restartPolicy)
    if spec.pod_failure_policy is not None:
        yield from _check_failure_policy(spec, spec.pod_failure_policy, path.podFailurePolicy)
    if spec.success_policy is not None:
        yield from _check_success_policy(spec, spec.success_policy, path.successPolicy)
    replacement = spec.pod_replacement_policy
    if replacement is not None:
        allowed = ("Failed",) if spec.pod_failure_policy is not None else _REPLACEMENTS
        if replacement not in allowed:
            yield not_supported(path.podReplacementPolicy, replacement, allowed)


def _check_completion(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    mode = spec.completion_mode
    if mode is not None and mode not in (INDEXED, "NonIndexed"):
        yield not_supported(path.completionMode, mode, (INDEXED, "NonIndexed"))
    if mode == INDEXED:
        if spec.completions is None:
            yield required(path.completions, "when completion mode is Indexed")
        if (spec.parallelism or 0) > MAXIMUM_PARALLELISM:
            message = f"must be less than or equal to {MAXIMUM_PARALLELISM} when completion mode is Indexed"
            yield invalid(path.parallelism, spec.parallelism, message)
        if spec.max_failed_indexes is not None:
            if spec.backoff_limit_per_index is None:
                yield required(path.backoffLimitPerIndex, "when maxFailedIndexes is specified")
            if spec.completions is not None and spec.max_failed_indexes > spec.completions:
                yield invalid(
                    path.maxFailedIndexes, spec.max_failed_indexes, "must be less than or equal to completions"
                )
        return
    for name, value in (
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
        ("successPolicy", spec.success_policy),
    ):
        if value is not None:
            yield invalid(path.child(name), value, "requires indexed completion mode")


def _check_restart_policy(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    policy = spec.template.spec.restart_policy
    if policy in ("", "Always"):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(path, policy, ("OnFailure", "Never"))
    elif spec.pod_failure_policy is not None and policy != "Never":
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _check_failure_policy(spec: JobSpec, policy: PodFailurePolicy, path: FieldPath) -> Iterator[FieldError]:
    if len(policy.rules) > MAXIMUM_RULES:
        yield invalid(path.rules, len(policy.rules), f"must have at most {MAXIMUM_RULES} items")
    names = {one.name for one in (*spec.template.spec.containers, *spec.template.spec.init_containers)}
    for index, rule in enumerate(policy.rules):
        yield from _check_failure_rule(spec, rule, names, path.rules[index])


def _check_failure_rule(
    spec: JobSpec, rule: PodFailurePolicyRule, containers: set[str], path: FieldPath
) -> Iterator[FieldError]:
    if not rule.action:
        yield required(path.action, f"valid values: {', '.join(f'{action!r}' for action in _ACTIONS)}")
    elif rule.action not in _ACTIONS:
        yield not_supported(path.action, rule.action, _ACTIONS)
    elif rule.action == "FailIndex" and spec.backoff_limit_per_index is None:
        yield invalid(path.action, rule.action, "requires the backoffLimitPerIndex to be set")
    codes, conditions = rule.on_exit_codes, rule.on_pod_conditions
    if codes is not None and conditions:
        yield invalid(path, rule, "specifying both OnExitCodes and OnPodConditions is not supported")
    elif codes is None and not conditions:
        yield invalid(path, rule, "specifying one of OnExitCodes and OnPodConditions is required")
    if codes is not None:
        each = path.onExitCodes
        if codes.operator not in ("In", "NotIn"):
            yield not_supported(each.operator, codes.operator, ("In", "NotIn"))
        if codes.container_name is not None and codes.container_name not in containers:
            message = "must be one of the container or initContainer names in the pod template"
            yield invalid(each.containerName, codes.container_name, message)
        if not codes.values:
            yield invalid(each.values, codes.values, "at least one value is required")
        if len(codes.values) > MAXIMUM_EXIT_CODES:
            yield invalid(each.values, len(codes.values), f"must have at most {MAXIMUM_EXIT_CODES} items")
        if codes.operator == "In" and 0 in codes.values:
            yield invalid(each.values[codes.values.index(0)], 0, "must not be 0 for the In operator")
        if codes.values != sorted(codes.values):
            yield invalid(each.values, codes.values, "must be ordered")
    for position, pattern in enumerate(conditions):
        if pattern.status not in ("True", "False", "Unknown"):
            allowed = ("False", "True", "Unknown")
            yield not_supported(path.onPodConditions[position].status, pattern.status, allowed)


def _check_success_policy(spec: JobSpec, policy: SuccessPolicy, path: FieldPath) -> Iterator[FieldError]:
    if not policy.rules:
        yield required(path.rules, "at least one rules must be specified when the successPolicy is specified")
    for index, rule in enumerate(policy.rules):
        if rule.succeeded_count is None and rule.succeeded_indexes is None:
            message = "at least one of succeededCount or succeededIndexes must be specified"
            yield required(path.rules[index], message)
        yield from check_not_negatives(path.rules[index], {"succeededCount": rule.succeeded_count})


def check_job(job: Job) -> Iterator[FieldError]:
    """What a job has beyond a cron job's template: a selector that matches its pods, and names that fit."""
    spec = job.spec
    if spec.selector is None:
        yield required(at.spec.selector)
    else:
        errors = list(check_label_selector(spec.selector, at.spec.selector))
        yield from errors
        labels = spec.template.metadata.labels
        if not errors and not Selector.from_model(spec.selector).matches(labels):
            yield invalid(
                at.spec.template.metadata.labels, labels or None, "`selector` does not match template `labels`"
            )
    if not spec.manual_selector and spec.selector is not None:
        yield from _check_generated(job)
    if spec.completion_mode == INDEXED and spec.completions:
        messages = is_dns_label(f"{job.metadata.name}-{spec.completions - 1}")
        if messages:
            message = f"will not able to create pod with invalid DNS label: {job.metadata.name}: {messages[0]}"
            yield invalid(at.metadata.name, job.metadata.name, message)


def _check_generated(job: Job) -> Iterator[FieldError]:
    labels = job.spec.template.metadata.labels
    for key, wanted in (
        (OLD_CONTROLLER_UID, job.metadata.uid),
        (CONTROLLER_UID, job.metadata.uid),
        (OLD_JOB_NAME, job.metadata.name),
        (JOB_NAME, job.metadata.name),
    ):
        if labels.get(key) != wanted:
            path = at.spec.template.metadata.labels[key]
            yield (
                required(path, f"must be '{wanted}'")
                if key not in labels
                else invalid(at.spec.template.metadata.labels, labels, f"must be '{wanted}'")
            )
    selected = job.spec.selector.match_labels if job.spec.selector is not None else {}
    if job.metadata.uid not in (selected.get(CONTROLLER_UID), selected.get(OLD_CONTROLLER_UID)):
        yield invalid(at.spec.selector, job.spec.selector, "`selector` not auto-generated")


def check_job_update(new: Job, old: Job) -> Iterator[FieldError]:
    after, before = new.spec, old.spec
    if after.completions != before.completions:
        elastic = before.completion_mode == INDEXED and before.completions is not None
        if not elastic or after.completions is None:
            yield invalid(at.spec.completions, after.completions, "field is immutable")
        elif after.completions != after.parallelism or before.completions != before.parallelism:
            message = "can only be modified in tandem with spec.parallelism"
            yield invalid(at.spec.completions, after.completions, message)
    yield from check_unchanged(after.selector, before.selector, at.spec.selector)
    if after.template != before.template and not _is_placement_of_suspended(new, old):
        yield invalid(at.spec.template, after.template, "field is immutable")
    for name, changed, known in (
        ("completionMode", after.completion_mode, before.completion_mode),
        ("podFailurePolicy", after.pod_failure_policy, before.pod_failure_policy),
        ("backoffLimitPerIndex", after.backoff_limit_per_index, before.backoff_limit_per_index),
        ("managedBy", after.managed_by, before.managed_by),
        ("successPolicy", after.success_policy, before.success_policy),
    ):
        yield from check_unchanged(changed, known, at.spec.child(name))


def _is_placement_of_suspended(new: Job, old: Job) -> bool:
    """While a job is suspended and has not started, what its pods say about placement and resources may change."""
    if not old.spec.suspend or old.status.start_time is not None:
        return False
    return _placeless(new.spec) == _placeless(old.spec)


def _placeless(spec: JobSpec) -> tuple[object, ...]:
    template = spec.template
    pod = template.spec
    containers = [(one.name, one.image, one.command, one.args, one.env, one.volume_mounts) for one in pod.containers]
    return containers, pod.volumes, pod.restart_policy, pod.service_account_name, pod.init_containers
