"""What a job's spec may say; cron jobs have one inside.

Follows pkg/apis/batch/validation.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import (
    FieldError,
    FieldPath,
    at,
    invalid,
    is_dns_label,
    not_supported,
    required,
    too_long,
)
from pybernetes.api.models.batch_v1 import Job, JobSpec
from pybernetes.api.models.meta_v1 import LabelSelector
from pybernetes.api.selectors import LabelSelector as Selector
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.job_policies import check_failure_policy, check_success_policy
from pybernetes.apiserver.validation.pod_spec import check_pod_template
from pybernetes.apiserver.validation.selectors import check_label_selector, check_matches_template
from pybernetes.apiserver.validation.simple import check_domain_prefixed_path
from pybernetes.apiserver.validation.workload import check_not_negatives

INDEXED = "Indexed"
NON_INDEXED = "NonIndexed"
MOST_PARALLEL = 100_000
MOST_FAILED_INDEXES = 100_000
MANY_COMPLETIONS = 100_000
MOST_AMONG_MANY = 10_000
"""Of pods at a time, and of failed indexes, where there are many completions with limits of their own."""
LONGEST_MANAGER = 63
JOB_NAME = "batch.kubernetes.io/job-name"
CONTROLLER_UID = "batch.kubernetes.io/controller-uid"
OLD_JOB_NAME = "job-name"
OLD_CONTROLLER_UID = "controller-uid"
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")


def check_template_spec(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    """What holds for jobs and for those of a cron job."""
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
    if spec.max_failed_indexes is not None and spec.backoff_limit_per_index is None:
        yield required(path.backoffLimitPerIndex, "when maxFailedIndexes is specified")
    if spec.managed_by is not None:
        yield from check_domain_prefixed_path(spec.managed_by, path.managedBy)
        if len(spec.managed_by) > LONGEST_MANAGER:
            yield too_long(path.managedBy, "", LONGEST_MANAGER)
    yield from _check_completion(spec, path)
    yield from _check_policies(spec, path)
    yield from check_pod_template(spec.template, path.template)
    yield from _check_restart_policy(spec, path.template.spec.restartPolicy)


def _check_completion(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    mode = spec.completion_mode
    if mode not in (None, INDEXED, NON_INDEXED):
        yield not_supported(path.completionMode, mode, (NON_INDEXED, INDEXED))
    if mode == INDEXED:
        yield from _check_indexed(spec, path)
    if mode not in (None, NON_INDEXED):
        return
    for name, value in (
        ("backoffLimitPerIndex", spec.backoff_limit_per_index),
        ("maxFailedIndexes", spec.max_failed_indexes),
    ):
        if value is not None:
            yield invalid(path.child(name), value, "requires indexed completion mode")


def _check_indexed(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    completions, parallel, failed = spec.completions, spec.parallelism or 0, spec.max_failed_indexes
    if completions is None:
        yield required(path.completions, "when completion mode is Indexed")
    if parallel > MOST_PARALLEL:
        message = f"must be less than or equal to {MOST_PARALLEL} when completion mode is Indexed"
        yield invalid(path.parallelism, parallel, message)
    if completions is not None and failed is not None and failed > completions:
        yield invalid(path.maxFailedIndexes, failed, "must be less than or equal to completions")
    if failed is not None and failed > MOST_FAILED_INDEXES:
        yield invalid(path.maxFailedIndexes, failed, f"must be less than or equal to {MOST_FAILED_INDEXES}")
    if completions is None or completions <= MANY_COMPLETIONS or spec.backoff_limit_per_index is None:
        return
    if failed is None:
        yield required(path.maxFailedIndexes, f"must be specified when completions is above {MANY_COMPLETIONS}")
    for name, value in (("parallelism", parallel), ("maxFailedIndexes", failed or 0)):
        if value > MOST_AMONG_MANY:
            limit = f"must be less than or equal to {MOST_AMONG_MANY}"
            reason = f"when completions are above {MANY_COMPLETIONS} and used with backoff limit per index"
            yield invalid(path.child(name), value, f"{limit} {reason}")


def _check_policies(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    if spec.pod_failure_policy is not None:
        yield from check_failure_policy(spec, spec.pod_failure_policy, path.podFailurePolicy)
    if spec.success_policy is not None:
        if spec.completion_mode != INDEXED:
            shown = internal_form(spec.success_policy)
            yield invalid(path.successPolicy, shown, "requires indexed completion mode")
        else:
            yield from check_success_policy(spec.success_policy, spec.completions or 0, path.successPolicy)
    replacement = spec.pod_replacement_policy
    allowed = ("Failed",) if spec.pod_failure_policy is not None else _REPLACEMENTS
    if replacement is not None and replacement not in allowed:
        yield not_supported(path.podReplacementPolicy, replacement, allowed)


def _check_restart_policy(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    policy = spec.template.spec.restart_policy
    if policy in ("", "Always"):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(path, policy, ("OnFailure", "Never"))
    elif spec.pod_failure_policy is not None and policy != "Never":
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def check_job_spec(spec: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    """What a job has beyond a cron job's template: a selector that matches its pods."""
    yield from check_template_spec(spec, path)
    if spec.selector is None:
        yield required(path.selector)
    wrong = list(check_label_selector(spec.selector, path.selector))
    yield from wrong
    if not wrong:
        yield from check_matches_template(spec.selector, spec.template.metadata.labels, path.template)


def check_job(job: Job, *, new_labels: bool = True) -> Iterator[FieldError]:
    """``new_labels``: the prefixed ones among those that are generated must be there."""
    spec, name = job.spec, job.metadata.name
    if not spec.manual_selector and spec.selector is not None:
        yield from _check_generated(job, spec.selector, new_labels=new_labels)
    yield from check_job_spec(spec, at.spec)
    if spec.completion_mode == INDEXED and (spec.completions or 0) > 0:
        last = f"{name}-{(spec.completions or 0) - 1}"
        if is_dns_label(last):
            yield invalid(at.metadata.name, name, f"will not able to create pod with invalid DNS label: {last}")


def _check_generated(job: Job, selector: LabelSelector, *, new_labels: bool) -> Iterator[FieldError]:
    uid, name = job.metadata.uid, job.metadata.name
    expected = {OLD_CONTROLLER_UID: uid, OLD_JOB_NAME: name}
    if new_labels:
        expected |= {CONTROLLER_UID: uid, JOB_NAME: name}
    labels = job.spec.template.metadata.labels
    for key, wanted in expected.items():
        path = at.spec.template.metadata.labels[key]
        if key not in labels:
            yield required(path, f"must be '{wanted}'")
        elif labels[key] != wanted:
            yield invalid(path, dict(sorted(labels.items())), f"must be '{wanted}'")
    if not any(check_label_selector(selector, at)) and not Selector.from_model(selector).matches(expected):
        yield invalid(at.spec.selector, internal_form(selector), "`selector` not auto-generated")
