"""Sets of completion indexes, and how a Job's status spells them: "0-2,5"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pybernetes.api.models import core_v1

INDEX = "batch.kubernetes.io/job-completion-index"
INDEX_FAILURES = "batch.kubernetes.io/job-index-failure-count"
INDEX_IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"


def parse(text: str, completions: int | None) -> frozenset[int]:
    """Those below `completions`."""
    end = completions or 0
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), min(int(last or first) + 1, end)))
    return frozenset(found)


def spell(indexes: Iterable[int]) -> str:
    """Runs of three or more as a range; of two as a pair, as upstream does."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return ",".join(_spell_run(run) for run in runs)


def _spell_run(run: Sequence[int]) -> str:
    if len(run) == 1:
        return str(run[0])
    return f"{run[0]},{run[1]}" if len(run) == 2 else f"{run[0]}-{run[-1]}"


def index_of(pod: core_v1.Pod) -> int | None:
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() else None


def failures_before(pod: core_v1.Pod) -> int:
    """How often the pod's index had failed when the pod was made."""
    return _number(pod, INDEX_FAILURES)


def ignored_failures_before(pod: core_v1.Pod) -> int:
    """The same for failures that the pod failure policy ignored."""
    return _number(pod, INDEX_IGNORED_FAILURES)


def all_failures_before(pod: core_v1.Pod) -> int:
    return failures_before(pod) + ignored_failures_before(pod)


def _number(pod: core_v1.Pod, annotation: str) -> int:
    text = pod.metadata.annotations.get(annotation, "")
    return int(text) if text.isdecimal() else 0
