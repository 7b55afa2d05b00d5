"""Whether a Job is over, how it ended, and when.

Follows pkg/controller/job/util.
"""

from __future__ import annotations

from pybernetes.api.models import batch_v1

COMPLETE = "Complete"
FAILED = "Failed"


def finished_condition(job: batch_v1.Job) -> batch_v1.JobCondition | None:
    """None while the Job is not over."""
    ends = (one for one in job.status.conditions if one.type in (COMPLETE, FAILED) and one.status == "True")
    return next(ends, None)


def is_finished(job: batch_v1.Job) -> bool:
    return finished_condition(job) is not None


def ended_with(job: batch_v1.Job) -> str:
    """`Complete`, `Failed`, or "" while it is not over."""
    condition = finished_condition(job)
    return "" if condition is None else condition.type
