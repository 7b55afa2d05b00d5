"""Jobs' status and the smaller kinds around workloads: each text is the reference's answer."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.serving import serving
from pybernetes.apiserver.resource import Document

BATCH = "/apis/batch/v1/namespaces/default/jobs"
CORE = "/api/v1/namespaces/default"
TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
STARTED, ENDED = "2020-01-01T00:00:00Z", "2020-01-01T00:00:10Z"


def conditions(*types: str) -> list[Document]:
    return [{"type": type_, "status": "True"} for type_ in types]


async def status_problems(before: Document, after: Document, **spec: Any) -> list[tuple[str, str]]:
    async with serving() as talk:
        job = {"metadata": {"name": "j"}, "spec": {"template": TEMPLATE, **spec}}
        made = (await talk.post(BATCH, {"apiVersion": "batch/v1", "kind": "Job", **job})).body
        if before:
            made = (await talk.put(f"{BATCH}/j/status", {**made, "status": before})).body
        answer = await talk.put(f"{BATCH}/j/status", {**made, "status": after})
    causes = answer.body.get("details", {}).get("causes", [])
    return [(cause["field"], cause["message"]) for cause in causes]


@pytest.mark.parametrize(
    ("before", "after", "field", "message"),
    [
        (
            {},
            {"conditions": conditions("Complete")},
            "status.completionTime",
            "Required value: completionTime is required for Complete jobs",
        ),
        (
            {},
            {"startTime": STARTED, "conditions": conditions("Failed")},
            "status.conditions",
            "Invalid value: cannot set Failed=True condition without the FailureTarget=true condition",
        ),
        (
            {"failed": 2},
            {"failed": 1},
            "status.failed",
            "Invalid value: 1: cannot decrease the failed counter",
        ),
        (
            {"startTime": STARTED},
            {"startTime": ENDED},
            "status.startTime",
            'Invalid value: "2020-01-01T00:00:10Z": field is immutable for unsuspended job once set',
        ),
        (
            {},
            {"active": 1, "ready": 2},
            "status.ready",
            "Invalid value: 2: cannot set more ready pods than active",
        ),
        (
            {},
            {"completedIndexes": "0"},
            "status.completedIndexes",
            'Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode',
        ),
    ],
)
async def test_a_jobs_status_must_hang_together(before: Document, after: Document, field: str, message: str) -> None:
    assert (field, message) in await status_problems(before, after)


async def test_what_a_jobs_status_said_wrongly_before_may_stay() -> None:
    ended = {"startTime": STARTED, "completionTime": ENDED, "succeeded": 1}
    status = {**ended, "conditions": conditions("SuccessCriteriaMet", "Complete")}
    assert await status_problems(status, {**status, "ready": 0}) == []


async def test_indexes_that_failed_cannot_have_been_completed() -> None:
    indexed = {"completionMode": "Indexed", "completions": 5, "backoffLimitPerIndex": 1}
    found = await status_problems({}, {"completedIndexes": "0-2", "failedIndexes": "2,4"}, **indexed)
    message = 'Invalid value: "2,4": failedIndexes and completedIndexes overlap at index: 2'
    assert found == [("status.failedIndexes", message)]


async def test_a_suspended_job_may_get_other_resources_and_other_nodes_but_no_other_image() -> None:
    async with serving() as talk:
        job = {"metadata": {"name": "j"}, "spec": {"suspend": True, "template": TEMPLATE}}
        await talk.post(BATCH, {"apiVersion": "batch/v1", "kind": "Job", **job})
        container = {"name": "c", "resources": {"requests": {"cpu": "1"}}}
        moved = {"nodeSelector": {"zone": "a"}, "containers": [container]}
        path = f"{BATCH}/j"
        strategic = "application/strategic-merge-patch+json"
        allowed = await talk.patch(path, {"spec": {"template": {"spec": moved}}}, strategic)
        image = {"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "other"}]}}}}
        refused = await talk.patch(path, image, strategic)
    assert allowed.status == 200
    assert [cause["field"] for cause in refused.body["details"]["causes"]] == ["spec.template.spec"]


async def test_a_job_without_labels_shares_those_of_its_template() -> None:
    async with serving() as talk:
        template = {**TEMPLATE, "metadata": {"labels": {"app": "a"}}}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": template}}
        made = (await talk.post(BATCH, job)).body
    assert made["metadata"]["labels"] == made["spec"]["template"]["metadata"]["labels"]
    assert made["metadata"]["labels"]["job-name"] == "j"


async def test_a_limit_range_without_a_name_is_called_by_its_uid_and_empty_limits_are_null() -> None:
    async with serving() as talk:
        made = await talk.post(
            f"{CORE}/limitranges", {"apiVersion": "v1", "kind": "LimitRange", "spec": {"limits": []}}
        )
    assert made.body["metadata"]["name"] == made.body["metadata"]["uid"]
    assert made.body["spec"] == {"limits": None}


@pytest.mark.parametrize(
    ("item", "field", "message"),
    [
        (
            {"type": "Container", "max": {"cpu": "1"}, "min": {"cpu": "2"}},
            "min[cpu]",
            'Invalid value: "2": min value 2 is greater than max value 1',
        ),
        (
            {"type": "Pod", "max": {"cpu": "2"}, "min": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "3"}},
            "maxLimitRequestRatio[cpu]",
            'Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
        ),
        (
            {"type": "Pod", "max": {"cpu": "9" * 400}, "min": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "10"}},
            "maxLimitRequestRatio[cpu]",
            'Invalid value: "10": ratio 10 is greater than max/min = -1.000000',
        ),
        (
            {"type": "PersistentVolumeClaim", "max": {"cpu": "1"}},
            "limits",
            "Required value: either minimum or maximum storage value is required, but neither was provided",
        ),
    ],
)
async def test_a_limit_range_must_hang_together(item: Document, field: str, message: str) -> None:
    manifest = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": [item]}}
    async with serving() as talk:
        answer = await talk.post(f"{CORE}/limitranges", manifest)
    causes = [(cause["field"], cause["message"]) for cause in answer.body["details"]["causes"]]
    assert (f"spec.limits[0].{field}", message) in causes


async def test_a_quota_counts_only_what_its_scope_knows() -> None:
    spec = {"hard": {"services": "1"}, "scopes": ["BestEffort"]}
    async with serving() as talk:
        manifest = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}
        answer = await talk.post(f"{CORE}/resourcequotas", manifest)
    assert answer.body["details"]["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": 'Invalid value: ["BestEffort"]: unsupported scope applied to resource',
            "field": "spec.scopes",
        }
    ]


async def test_an_event_of_the_new_group_keeps_all_but_its_series() -> None:
    path = "/apis/events.k8s.io/v1/namespaces/default/events"
    event = {
        "metadata": {"name": "e"},
        "eventTime": "2030-01-01T12:00:00.000000Z",
        "regarding": {"namespace": "default", "name": "x", "kind": "Pod"},
        "type": "Normal",
        "reportingController": "example.com/c",
        "reportingInstance": "c-1",
        "action": "Act",
        "reason": "Because",
    }
    series = {"count": 2, "lastObservedTime": "2030-01-01T12:00:01.000000Z"}
    async with serving() as talk:
        await talk.post(path, event)
        repeated = await talk.put(f"{path}/e", {**event, "series": series})
        refused = await talk.put(f"{path}/e", {**event, "note": "other"})
    assert repeated.status == 200
    assert refused.message == 'Event "e" is invalid: message: Invalid value: "other": field is immutable'
