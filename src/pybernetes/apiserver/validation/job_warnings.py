"""What is allowed in a job but probably not meant.

Follows pkg/api/job/warnings.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.validation.pod_warnings import template_warnings

MANY_COMPLETIONS = 100_000
MANY_AT_ONCE = 10_000


def job_warnings(path: str) -> Callable[[Document], Iterable[str]]:
    """Of the job's spec at a path in an object."""
    names = path.split(".")
    of_template = template_warnings(f"{path}.template")

    def warnings(workload: Document) -> Iterator[str]:
        spec = workload
        for name in names:
            spec = spec.get(name) or {}
        if _is_hard_to_track(spec):
            yield (
                f"{path}: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than "
                "10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail"
            )
        yield from of_template(workload)

    return warnings


def _is_hard_to_track(spec: Document) -> bool:
    return bool(
        spec.get("completionMode") == "Indexed"
        and spec.get("completions", 0) > MANY_COMPLETIONS
        and spec.get("parallelism", 0) > MANY_AT_ONCE
    )
