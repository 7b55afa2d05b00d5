"""What of a job may change.

Follows ValidateJobSpecUpdate in pkg/apis/batch/validation and validationOptionsForJob in pkg/registry/batch/job.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from pybernetes.api.fields import FieldError, FieldPath, at, invalid
from pybernetes.api.meta import condition
from pybernetes.api.models.batch_v1 import Job, JobSpec
from pybernetes.api.models.core_v1 import Affinity, Container, PodTemplateSpec
from pybernetes.apiserver.validation.job import INDEXED, check_job_spec
from pybernetes.apiserver.validation.simple import check_unchanged


def check_job_update(new: Job, old: Job) -> Iterator[FieldError]:
    after, before = new.spec, old.spec
    yield from check_job_spec(after, at.spec)
    yield from _check_completions(after, before, at.spec.completions)
    yield from check_unchanged(after.selector, before.selector, at.spec.selector)
    yield from _check_template(after.template, old, at.spec.template)
    for name, changed, known in (
        ("completionMode", after.completion_mode, before.completion_mode),
        ("podFailurePolicy", after.pod_failure_policy, before.pod_failure_policy),
        ("backoffLimitPerIndex", after.backoff_limit_per_index, before.backoff_limit_per_index),
        ("managedBy", after.managed_by, before.managed_by),
        ("successPolicy", after.success_policy, before.success_policy),
    ):
        yield from check_unchanged(changed, known, at.spec.child(name))


def _check_completions(new: JobSpec, old: JobSpec, path: FieldPath) -> Iterator[FieldError]:
    """Indexed jobs grow and shrink, with their parallelism."""
    if new.completion_mode != INDEXED:
        yield from check_unchanged(new.completions, old.completions, path)
    elif new.completions is not None and new.completions not in (old.completions, new.parallelism):
        yield invalid(path, new.completions, "can only be modified in tandem with spec.parallelism")


def _check_template(template: PodTemplateSpec, old: Job, path: FieldPath) -> Iterator[FieldError]:
    before = old.spec.template
    if not _rests(old):
        yield from check_unchanged(template, before, path)
        return
    allowed = replace(
        before.spec,
        affinity=_with_node_affinity(before.spec.affinity, template.spec.affinity),
        node_selector=template.spec.node_selector,
        tolerations=template.spec.tolerations,
        scheduling_gates=template.spec.scheduling_gates,
        containers=_with_resources(before.spec.containers, template.spec.containers),
        init_containers=_with_resources(before.spec.init_containers, template.spec.init_containers),
    )
    yield from check_unchanged(template.spec, allowed, path.spec)


def _rests(job: Job) -> bool:
    """While a job is suspended and has no pods, what says where they go and what they get may change."""
    if not job.spec.suspend or job.status.active:
        return False
    suspended = condition(job.status, "Suspended")
    return job.status.start_time is None or (suspended is not None and suspended.status == "True")


def _with_node_affinity(old: Affinity | None, new: Affinity | None) -> Affinity | None:
    wanted = None if new is None else new.node_affinity
    if old is None:
        return None if new is None else Affinity(node_affinity=wanted)
    if new is None and old.pod_affinity is None and old.pod_anti_affinity is None:
        return None
    return replace(old, node_affinity=wanted)


def _with_resources(old: Sequence[Container], new: Sequence[Container]) -> list[Container]:
    if len(old) != len(new):
        return list(old)
    return [
        replace(before, resources=after.resources) if before.name == after.name else before
        for before, after in zip(old, new, strict=True)
    ]
