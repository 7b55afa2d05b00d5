"""Jobs and cron jobs."""

# ruff: noqa: E501
from __future__ import annotations

from typing import Any

import pytest

from apiserver.resources.support import cells, changed, created, problems, update_problems
from apiserver.serving import serving
from pybernetes.api import cron
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.resources.cron_job import CRON_JOBS
from pybernetes.apiserver.resources.job import JOBS


def job(restart: str = "Never", **spec: Any) -> Document:
    pod = {"containers": [{"name": "a", "image": "x"}], "restartPolicy": restart}
    return {"metadata": {"name": "pi", "uid": "u"}, "spec": {"template": {"spec": pod}, **spec}}


def cron_job(schedule: str = "*/5 * * * *", **spec: Any) -> Document:
    return {
        "metadata": {"name": "tick"},
        "spec": {"schedule": schedule, "jobTemplate": {"spec": job()["spec"]}, **spec},
    }


def test_a_minimal_job_gets_defaults_and_a_selector_of_its_own() -> None:
    spec = created(JOBS, job())["spec"]
    del spec["template"]["spec"]
    assert spec == {
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
        "completions": 1,
        "manualSelector": False,
        "parallelism": 1,
        "podReplacementPolicy": "TerminatingOrFailed",
        "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}},
        "suspend": False,
        "template": {
            "metadata": {
                "labels": {
                    "batch.kubernetes.io/controller-uid": "u",
                    "batch.kubernetes.io/job-name": "pi",
                    "controller-uid": "u",
                    "job-name": "pi",
                }
            }
        },
    }


def test_a_work_queue_has_no_completions() -> None:
    spec = created(JOBS, job(parallelism=3))["spec"]
    assert "completions" not in spec


def test_a_limit_per_index_lifts_the_limit_of_the_whole() -> None:
    spec = created(JOBS, job(completionMode="Indexed", completions=2, backoffLimitPerIndex=1))["spec"]
    assert spec["backoffLimit"] == 2147483647


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (job("Always"), 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'),
        (job(completions=-1), "spec.completions: Invalid value: -1: must be greater than or equal to 0"),
        (
            job(completionMode="Indexed", parallelism=1),
            "spec.completions: Required value: when completion mode is Indexed",
        ),
        (job(manualSelector=True), "spec.selector: Required value"),
        (job(backoffLimitPerIndex=1), "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"),
        (
            job("OnFailure", podFailurePolicy={"rules": [{"action": "Ignore", "onPodConditions": [{"type": "A"}]}]}),
            'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only "Never" is supported when podFailurePolicy is specified',
        ),
        (
            job(selector={"matchLabels": {"controller-uid": "other"}}),
            'spec.selector: Invalid value: {"matchLabels":{"batch.kubernetes.io/controller-uid":"u","controller-uid":"other"}}: `selector` not auto-generated',
        ),
    ],
)
def test_a_mistake_gets_the_message_of_upstream(manifest: Document, expected: str) -> None:
    assert expected in problems(JOBS, manifest)


def test_a_job_may_be_suspended_but_its_pods_and_count_may_not_change() -> None:
    stored = created(JOBS, job())
    assert update_problems(JOBS, stored, spec__suspend=True) == []
    assert update_problems(JOBS, stored, spec__parallelism=4) == []
    assert update_problems(JOBS, stored, spec__completions=2) == [
        "spec.completions: Invalid value: 2: field is immutable"
    ]
    (refused,) = update_problems(JOBS, stored, spec__template__spec__containers__0__image="y")
    assert refused.startswith("spec.template: Invalid value: ")
    assert refused.endswith(": field is immutable")


def test_an_indexed_job_grows_with_its_parallelism() -> None:
    stored = created(JOBS, job(completionMode="Indexed", completions=2, parallelism=2))
    assert update_problems(JOBS, stored, spec__completions=3, spec__parallelism=3) == []
    assert update_problems(JOBS, stored, spec__completions=3) == [
        "spec.completions: Invalid value: 3: can only be modified in tandem with spec.parallelism"
    ]


@pytest.mark.parametrize(
    ("status", "row"),
    [
        ({}, ("Running", "0/1", "")),
        ({"startTime": "2030-01-01T11:59:00Z", "succeeded": 0}, ("Running", "0/1", "60s")),
        (
            {
                "startTime": "2030-01-01T11:00:00Z",
                "completionTime": "2030-01-01T11:00:05Z",
                "succeeded": 1,
                "conditions": [{"type": "Complete", "status": "True"}],
            },
            ("Complete", "1/1", "5s"),
        ),
        ({"conditions": [{"type": "Failed", "status": "True"}]}, ("Failed", "0/1", "")),
    ],
)
def test_a_job_reads_as_upstream_prints_it(status: Document, row: tuple[str, str, str]) -> None:
    shown = cells(JOBS, changed(created(JOBS, job()), status=status))
    assert (shown["Status"], shown["Completions"], shown["Duration"]) == row


def test_a_minimal_cron_job_gets_the_defaults_of_upstream() -> None:
    spec = created(CRON_JOBS, cron_job())["spec"]
    assert (spec["concurrencyPolicy"], spec["suspend"]) == ("Allow", False)
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (3, 1)
    assert "backoffLimit" not in spec["jobTemplate"]["spec"]


@pytest.mark.parametrize("schedule", ["* * * * *", "0 0 1 jan mon-fri", "*/15 0-6,12 ? * *", "@hourly", "@every 1h30m"])
def test_schedules_of_cron_are_understood(schedule: str) -> None:
    assert cron.problem(schedule) is None


@pytest.mark.parametrize(
    ("schedule", "problem"),
    [
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
        ("@often", "unrecognized descriptor: @often"),
    ],
)
def test_a_bad_schedule_says_what_is_wrong(schedule: str, problem: str) -> None:
    assert problems(CRON_JOBS, cron_job(schedule)) == [f'spec.schedule: Invalid value: "{schedule}": {problem}']


def test_a_cron_job_has_room_for_the_names_of_its_jobs() -> None:
    manifest = cron_job()
    manifest["metadata"]["name"] = "a" * 53
    assert problems(CRON_JOBS, manifest) == [
        f'metadata.name: Invalid value: "{"a" * 53}": must be no more than 52 characters'
    ]


async def test_a_status_sent_without_the_spec_leaves_the_job_the_labels_of_its_template() -> None:
    async with serving() as talk:
        made = await talk.post("/apis/batch/v1/namespaces/default/jobs", job())
        sent = {"metadata": {"name": "pi"}, "status": {"active": 1}}
        answer = await talk.put("/apis/batch/v1/namespaces/default/jobs/pi/status", sent)
    assert answer.body["status"]["active"] == 1
    assert answer.body["metadata"]["labels"] == made.body["spec"]["template"]["metadata"]["labels"]
