"""CronJob: jobs by the calendar.

Follows pkg/registry/batch/cronjob and ValidateCronJobSpec in pkg/apis/batch/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pybernetes.api.fields import FieldError, FieldPath, at, invalid, is_dns_subdomain, not_supported, required
from pybernetes.api.kinds import info_of
from pybernetes.api.models.batch_v1 import CronJob
from pybernetes.apiserver.columns import AGE, NAME, NONE, since
from pybernetes.apiserver.resource import Column, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, container_columns, format_selector, text_column
from pybernetes.apiserver.resources.defaults import compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC
from pybernetes.apiserver.validation.job import check_job_spec
from pybernetes.apiserver.validation.metadata import check_metadata, check_only_metadata
from pybernetes.apiserver.validation.pod_warnings import template_warnings
from pybernetes.apiserver.validation.workload import check_not_negatives

NAME_LIMIT = 52
_POLICIES = ("Allow", "Forbid", "Replace")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: tuple[dict[str, int], ...] = (
    {},
    {},
    {},
    {
        name: n
        for n, name in enumerate(
            ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
        )
    },
    {name: n for n, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])},
)
_DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")


def validate(cron_job: CronJob) -> Iterator[FieldError]:
    yield from check_metadata(cron_job.metadata, is_dns_subdomain)
    spec = cron_job.spec
    if not spec.schedule:
        yield required(at.spec.schedule)
    else:
        yield from _check_schedule(spec.schedule, spec.time_zone, at.spec.schedule)
    if spec.time_zone is not None:
        yield from _check_time_zone(spec.time_zone, at.spec.timeZone)
    if not spec.concurrency_policy:
        yield required(at.spec.concurrencyPolicy)
    elif spec.concurrency_policy not in _POLICIES:
        yield not_supported(at.spec.concurrencyPolicy, spec.concurrency_policy, _POLICIES)
    yield from check_not_negatives(
        at.spec,
        {
            "startingDeadlineSeconds": spec.starting_deadline_seconds,
            "successfulJobsHistoryLimit": spec.successful_jobs_history_limit,
            "failedJobsHistoryLimit": spec.failed_jobs_history_limit,
        },
    )
    yield from check_job_spec(spec.job_template.spec, at.spec.jobTemplate.spec)
    if (selector := spec.job_template.spec.selector) is not None:
        yield invalid(at.spec.jobTemplate.spec.selector, selector, "`selector` will be auto-generated")
    if spec.job_template.spec.manual_selector:
        yield not_supported(at.spec.jobTemplate.spec.manualSelector, True, ("nil", "false"))
    if len(cron_job.metadata.name) > NAME_LIMIT:
        message = f"must be no more than {NAME_LIMIT} characters"
        yield invalid(at.metadata.name, cron_job.metadata.name, message)


def _check_schedule(schedule: str, time_zone: str | None, path: FieldPath) -> Iterator[FieldError]:
    if "TZ" in schedule:
        if time_zone is not None:
            yield invalid(path, schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule")
        else:
            yield invalid(path, schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
        return
    if (problem := schedule_problem(schedule)) is not None:
        yield invalid(path, schedule, problem)


def schedule_problem(schedule: str) -> str | None:
    """What is wrong with a cron expression of five fields."""
    if schedule.startswith("@"):
        known = schedule in _DESCRIPTORS or re.fullmatch(r"@every [0-9hmsun.µ]+", schedule)
        return None if known else f"unrecognized descriptor: {schedule}"
    fields = schedule.split()
    if len(fields) != len(_RANGES):
        return f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]"
    for text, bounds, names in zip(fields, _RANGES, _NAMES, strict=True):
        for part in text.split(","):
            if (problem := _part_problem(part, bounds, names)) is not None:
                return problem
    return None


def _part_problem(part: str, bounds: tuple[int, int], names: dict[str, int]) -> str | None:
    span, slash, step = part.partition("/")
    if slash and not step.isdigit():
        return f"failed to parse int from {step}: strconv.Atoi: parsing {step!r}: invalid syntax"
    if slash and int(step) == 0:
        return f"step of range should be a positive number: {part}"
    if span in ("*", "?"):
        return None
    low, dash, high = span.partition("-")
    numbers = []
    for text in (low, high) if dash else (low,):
        if text.lower() in names:
            numbers.append(names[text.lower()])
        elif text.isdigit():
            numbers.append(int(text))
        else:
            return f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax'
    if numbers[0] < bounds[0]:
        return f"beginning of range ({numbers[0]}) below minimum ({bounds[0]}): {part}"
    if numbers[-1] > bounds[1]:
        return f"end of range ({numbers[-1]}) above maximum ({bounds[1]}): {part}"
    if numbers[0] > numbers[-1]:
        return f"beginning of range ({numbers[0]}) beyond end of range ({numbers[-1]}): {part}"
    return None


def _check_time_zone(zone: str, path: FieldPath) -> Iterator[FieldError]:
    if not zone:
        yield invalid(path, zone, "timeZone must be nil or non-empty string")
    elif zone.lower() == "local":
        yield invalid(
            path, zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        )
    else:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield invalid(path, zone, f"unknown time zone {zone}")


def _suspend(cron_job: Document, now: datetime) -> str:
    value = cron_job["spec"].get("suspend")
    return "<unset>" if value is None else str(value)


def _last(cron_job: Document, now: datetime) -> str:
    last = at_path(cron_job, "status.lastScheduleTime")
    return since(last, now) if last else NONE


def _selector(cron_job: Document, now: datetime) -> str:
    return format_selector(at_path(cron_job, "spec.jobTemplate.spec.selector"))


CRON_JOBS = Resource(
    info=info_of(CronJob),
    short_names=("cj",),
    categories=("all",),
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
    warnings=template_warnings("spec.jobTemplate.spec.template"),
    null_lists=("spec.jobTemplate.spec.podFailurePolicy.rules",),
    validate_update=check_only_metadata,
    generation=spec_changed,
    columns=(
        NAME,
        text_column("Schedule", "spec.schedule"),
        text_column("Timezone", "spec.timeZone", NONE),
        Column("Suspend", _suspend),
        Column("Active", lambda cron_job, now: len(at_path(cron_job, "status.active", ())), "integer"),
        Column("Last Schedule", _last),
        AGE,
        *container_columns("spec.jobTemplate.spec.template.spec"),
        Column("Selector", _selector, priority=1),
    ),
    subresources=(StatusSubresource(validate=check_only_metadata),),
)

RESOURCES = (CRON_JOBS,)
