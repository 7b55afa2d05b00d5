"""CronJob: jobs by the calendar.

Follows pkg/registry/batch/cronjob and ValidateCronJobSpec in pkg/apis/batch/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from pybernetes.api import cron
from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.batch_v1 import CronJob, CronJobSpec
from pybernetes.apiserver.columns import AGE, NAME, NONE, since
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, container_columns, format_selector, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.internal_form import internal_form
from pybernetes.apiserver.validation.job import check_template_spec
from pybernetes.apiserver.validation.job_warnings import job_warnings
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update, check_only_metadata
from pybernetes.apiserver.validation.pod_warnings import if_generation_differs, with_name
from pybernetes.apiserver.validation.simple import check_choice, check_not_negative

NAME_LIMIT = 52
_POLICIES = ("Allow", "Forbid", "Replace")
_is_zone_part = re.compile(r"[A-Za-z.\-_0-9+]{1,14}").fullmatch


def validate(cron_job: CronJob) -> Iterator[FieldError]:
    yield from check_metadata(cron_job.metadata, is_dns_subdomain)
    yield from _check_spec(cron_job.spec, None, at.spec)
    if len(cron_job.metadata.name) > NAME_LIMIT:
        message = f"must be no more than {NAME_LIMIT} characters"
        yield invalid(at.metadata.name, cron_job.metadata.name, message)


def validate_update(new: CronJob, old: CronJob) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from _check_spec(new.spec, old.spec, at.spec)


def _check_spec(spec: CronJobSpec, old: CronJobSpec | None, path: FieldPath) -> Iterator[FieldError]:
    if not spec.schedule:
        yield required(path.schedule)
    else:
        had_zone = old is not None and "TZ" in old.schedule
        yield from _check_schedule(spec.schedule, spec.time_zone, path.schedule, had_zone=had_zone)
    yield from check_not_negative(spec.starting_deadline_seconds, path.startingDeadlineSeconds)
    if spec.time_zone is not None and (old is None or old.time_zone != spec.time_zone):
        yield from _check_time_zone(spec.time_zone, path.timeZone)
    yield from check_choice(spec.concurrency_policy, _POLICIES, path.concurrencyPolicy)
    template = spec.job_template.spec
    yield from check_template_spec(template, path.jobTemplate.spec)
    if template.selector is not None:
        shown = internal_form(template.selector)
        yield invalid(path.jobTemplate.spec.selector, shown, "`selector` will be auto-generated")
    if template.manual_selector:
        yield not_supported(path.jobTemplate.spec.manualSelector, True, ("nil", "false"))
    yield from check_not_negative(spec.successful_jobs_history_limit, path.successfulJobsHistoryLimit)
    yield from check_not_negative(spec.failed_jobs_history_limit, path.failedJobsHistoryLimit)


def _check_schedule(schedule: str, time_zone: str | None, path: FieldPath, *, had_zone: bool) -> Iterator[FieldError]:
    """``had_zone``: the schedule had a time zone of its own before it was forbidden."""
    if (problem := cron.problem(schedule)) is not None:
        yield invalid(path, schedule, problem)
    if "TZ" not in schedule:
        return
    if not had_zone:
        yield invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    elif time_zone is not None:
        yield invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")


def _check_time_zone(zone: str, path: FieldPath) -> Iterator[FieldError]:
    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
        return
    if any(part in (".", "..") or part.startswith("-") or not _is_zone_part(part) for part in zone.split("/")):
        yield invalid(path, zone, f"unknown time zone {zone}")
        return
    if zone.lower() == "local":
        message = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield invalid(path, zone, message)
    if (problem := cron.zone_problem(zone)) is not None:
        yield invalid(path, zone, problem)


def _suspend(cron_job: Document, now: datetime) -> str:
    value = cron_job["spec"].get("suspend")
    return "<unset>" if value is None else str(value)


def _last(cron_job: Document, now: datetime) -> str:
    last = at_path(cron_job, "status.lastScheduleTime")
    return since(last, now) if last else NONE


def _selector(cron_job: Document, now: datetime) -> str:
    return format_selector(at_path(cron_job, "spec.jobTemplate.spec.selector"))


_job_warnings = job_warnings("spec.jobTemplate.spec")
_changed_job_warnings = if_generation_differs(_job_warnings)


def update_warnings(new: Document, old: Document) -> Iterator[str]:
    yield from _changed_job_warnings(new, old)
    if "TZ" in new["spec"].get("schedule", ""):
        yield (
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, "
            "see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )


CRON_JOBS = Resource(
    info=info_of(CronJob),
    short_names=("cj",),
    categories=("all",),
    drops=drops_below("spec.jobTemplate.spec.template.spec"),
    defaults=compile_defaults(
        {
            "spec.concurrencyPolicy": "Allow",
            "spec.suspend": False,
            "spec.successfulJobsHistoryLimit": 3,
            "spec.failedJobsHistoryLimit": 1,
            "spec.jobTemplate.spec.podFailurePolicy.rules[].onPodConditions[].status": "True",
        },
        under("spec.jobTemplate.spec.template.spec", POD_SPEC),
    ),
    validate=validate,
    warnings=with_name(_job_warnings),
    update_warnings=update_warnings,
    null_lists=("spec.jobTemplate.spec.podFailurePolicy.rules",),
    validate_update=validate_update,
    judges_updates_alone=True,
    generation=spec_changed,
    columns=(
        NAME,
        text_column("Schedule", "spec.schedule"),
        text_column("Timezone", "spec.timeZone", NONE),
        Column("Suspend", _suspend, "boolean"),
        Column("Active", lambda cron_job, now: len(at_path(cron_job, "status.active", ())), "integer"),
        Column("Last Schedule", _last),
        AGE,
        *container_columns("spec.jobTemplate.spec.template.spec"),
        Column("Selector", _selector, priority=1),
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (CRON_JOBS,)
