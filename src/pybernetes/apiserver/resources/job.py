"""Job: pods that run until enough of them have succeeded.

Follows pkg/registry/batch/job and printJob in pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.api.fields import FieldError, is_dns_subdomain
from pybernetes.api.kinds import info_of
from pybernetes.api.meta import parse_time
from pybernetes.api.models.batch_v1 import Job
from pybernetes.apiserver.columns import AGE, NAME, human_duration
from pybernetes.apiserver.resource import Column, Context, Document, Resource, StatusSubresource, spec_changed
from pybernetes.apiserver.resources.cells import at_path, container_columns, selector_column, text_at
from pybernetes.apiserver.resources.defaults import Rule, compile_defaults, under
from pybernetes.apiserver.resources.pod_defaults import POD_SPEC, drops_below
from pybernetes.apiserver.validation.job import (
    CONTROLLER_UID,
    JOB_NAME,
    NON_INDEXED,
    OLD_CONTROLLER_UID,
    OLD_JOB_NAME,
    check_job,
)
from pybernetes.apiserver.validation.job_status import check_job_status
from pybernetes.apiserver.validation.job_update import check_job_update
from pybernetes.apiserver.validation.job_warnings import job_warnings
from pybernetes.apiserver.validation.metadata import check_metadata, check_metadata_update
from pybernetes.apiserver.validation.pod_warnings import if_generation_differs, with_name

NO_LIMIT = 2147483647


def labels_from_template(job: Document) -> None:
    """A job without labels shares those of its template, as upstream's: what is added there stands here too."""
    labels = at_path(job, "spec.template.metadata.labels")
    if labels and not job["metadata"].get("labels"):
        job["metadata"]["labels"] = labels


def default_counts(spec: Document) -> None:
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = spec["parallelism"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", NO_LIMIT if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", NON_INDEXED)
    spec.setdefault("podReplacementPolicy", "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed")


def prepare_create(job: Document, context: Context) -> None:
    """A job's pods are told from all others by its uid, unless its author minds the selector himself."""
    spec, metadata = job.setdefault("spec", {}), job["metadata"]
    if spec.get("manualSelector"):
        return
    labels = spec.setdefault("template", {}).setdefault("metadata", {}).setdefault("labels", {})
    for key, value in (
        (OLD_CONTROLLER_UID, metadata.get("uid", "")),
        (CONTROLLER_UID, metadata.get("uid", "")),
        (OLD_JOB_NAME, metadata.get("name", "")),
        (JOB_NAME, metadata.get("name", "")),
    ):
        labels.setdefault(key, value)
    selected = spec.setdefault("selector", {}).setdefault("matchLabels", {})
    selected.setdefault(CONTROLLER_UID, metadata.get("uid", ""))
    labels_from_template(job)


def validate(job: Job) -> Iterator[FieldError]:
    yield from check_metadata(job.metadata, is_dns_subdomain)
    yield from check_job(job)


def validate_update(new: Job, old: Job) -> Iterator[FieldError]:
    labels = old.spec.template.metadata.labels
    yield from check_metadata(new.metadata, is_dns_subdomain)
    yield from check_job(new, new_labels=JOB_NAME in labels and CONTROLLER_UID in labels)
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_job_update(new, old)


def validate_status(new: Job, old: Job) -> Iterator[FieldError]:
    yield from check_metadata_update(new.metadata, old.metadata)
    yield from check_job_status(new, old)


# condition → how it reads, the first that is true; deletion comes after the two endings
_ENDINGS = ("Complete", "Failed")
_STATES = ("Suspended", "FailureTarget", "SuccessCriteriaMet")


def _status(job: Document, now: datetime) -> str:
    conditions = at_path(job, "status.conditions", ())
    true = {condition["type"] for condition in conditions if condition.get("status") == "True"}
    terminating = ("Terminating",) if job["metadata"].get("deletionTimestamp") else ()
    endings = [state for state in _ENDINGS if state in true]
    return next(iter((*endings, *terminating, *(state for state in _STATES if state in true))), "Running")


def prepare_status(new: Document, old: Document, context: Context) -> None:
    """The stored template is known only now."""
    labels_from_template(new)


def _completions(job: Document, now: datetime) -> str:
    succeeded, spec = at_path(job, "status.succeeded", 0), job["spec"]
    if "completions" in spec:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def _duration(job: Document, now: datetime) -> str:
    started, ended = at_path(job, "status.startTime"), at_path(job, "status.completionTime")
    if not started:
        return ""
    return human_duration(((parse_time(ended) if ended else now) - parse_time(started)).total_seconds())


JOBS = Resource(
    info=info_of(Job),
    categories=("all",),
    drops=drops_below("spec.template.spec"),
    defaults=compile_defaults(
        {
            "": Rule(labels_from_template),
            "spec": Rule(default_counts),
            "spec.suspend": False,
            "spec.manualSelector": False,
            "spec.podFailurePolicy.rules[].onPodConditions[].status": "True",
        },
        under("spec.template.spec", POD_SPEC),
    ),
    validate=validate,
    warnings=with_name(job_warnings("spec")),
    update_warnings=if_generation_differs(job_warnings("spec")),
    null_lists=("spec.podFailurePolicy.rules",),
    validate_update=validate_update,
    judges_updates_alone=True,
    prepare_create=prepare_create,
    generation=spec_changed,
    orphans_by_default=True,
    columns=(
        NAME,
        Column("Status", _status),
        Column("Completions", _completions),
        Column("Duration", _duration),
        AGE,
        *container_columns(),
        selector_column(),
    ),
    selectable={"status.successful": text_at("status.succeeded", "0")},
    refuses_field='field label "{}" not supported for Job'.format,
    subresources=(StatusSubresource(prepare=prepare_status, validate=validate_status),),
)

RESOURCES = (JOBS,)
