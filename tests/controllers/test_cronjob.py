"""CronJobs start Jobs when they are due, each once, and clear up after them."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from controllers.make import NOW
from pybernetes.api import meta
from pybernetes.api.models import batch_v1, core_v1, meta_v1
from pybernetes.controllers.cron_job_plan import plan
from pybernetes.controllers.cronjob import SCHEDULED, job_for
from pybernetes.testing.cluster import Cluster


def cron_job(schedule: str = "*/5 * * * *", **spec: object) -> batch_v1.CronJob:
    pod = core_v1.PodSpec(
        restart_policy="Never", containers=[core_v1.Container(name="main", image="busybox", command=["true"])]
    )
    template = batch_v1.JobTemplateSpec(
        metadata=meta_v1.ObjectMeta(labels={"of": "report"}, annotations={"a": "b"}),
        spec=batch_v1.JobSpec(template=core_v1.PodTemplateSpec(spec=pod)),
    )
    return batch_v1.CronJob(
        metadata=meta_v1.ObjectMeta(
            name="report", namespace="default", uid="uid-report", creation_timestamp=NOW - timedelta(days=1)
        ),
        spec=batch_v1.CronJobSpec(schedule=schedule, job_template=template, **spec),  # type: ignore[arg-type]
    )


def job(name: str, ending: str = "", *, started: datetime = NOW, completed: datetime | None = None) -> batch_v1.Job:
    conditions = [batch_v1.JobCondition(type=ending, status="True")] if ending else []
    status = batch_v1.JobStatus(conditions=conditions, start_time=started, completion_time=completed)
    metadata = meta_v1.ObjectMeta(name=name, namespace="default", uid=f"uid-{name}")
    return batch_v1.Job(metadata=metadata, status=status)


def after(one: batch_v1.CronJob, last: datetime, *active: batch_v1.Job) -> batch_v1.CronJob:
    """As it is when its last start was then and these Jobs are active."""
    status = batch_v1.CronJobStatus(last_schedule_time=last, active=[meta.object_reference(each) for each in active])
    return msgspec.structs.replace(one, status=status)


def test_what_is_due_is_started_and_looked_at_again_when_the_next_one_is() -> None:
    planned = plan(after(cron_job(), NOW - timedelta(minutes=5)), [], (), NOW + timedelta(seconds=20))
    assert planned.turn.start == NOW
    assert planned.turn.look_again == 280.1
    assert planned.turn.events == ()


def test_what_was_started_is_not_started_again() -> None:
    planned = plan(after(cron_job(), NOW), [], (), NOW + timedelta(seconds=20))
    assert (planned.turn.start, planned.turn.look_again) == (None, 280.1)


def test_of_many_missed_starts_only_the_last_is_made_up_for_and_somebody_is_told() -> None:
    planned = plan(after(cron_job(), NOW - timedelta(days=7)), [], (), NOW + timedelta(minutes=3))
    assert planned.turn.start == NOW
    assert [told.reason for told in planned.turn.events] == ["TooManyMissedTimes"]


def test_a_start_that_is_too_late_is_left_out() -> None:
    late = after(cron_job(starting_deadline_seconds=60), NOW - timedelta(minutes=5))
    planned = plan(late, [], (), NOW + timedelta(seconds=61))
    assert planned.turn.start is None
    assert planned.turn.look_again == 239.1


def test_forbid_waits_for_what_runs_and_replace_does_away_with_it() -> None:
    running = job("report-1")
    before = NOW - timedelta(minutes=5)
    forbidden = plan(after(cron_job(concurrency_policy="Forbid"), before, running), [running], (), NOW)
    assert forbidden.turn.start is None
    assert [told.reason for told in forbidden.turn.events] == ["JobAlreadyActive"]
    replaced = plan(after(cron_job(concurrency_policy="Replace"), before, running), [running], (), NOW)
    assert replaced.turn.start == NOW
    assert [one.name for one in replaced.replaced] == ["report-1"]
    allowed = plan(after(cron_job(concurrency_policy="Allow"), before, running), [running], (), NOW)
    assert (allowed.turn.start, allowed.replaced) == (NOW, ())


def test_what_ended_leaves_the_list_of_active_ones_and_the_oldest_of_it_goes() -> None:
    ended = [
        job(
            f"report-{n}",
            "Complete",
            started=NOW + timedelta(minutes=n),
            completed=NOW + timedelta(minutes=n, seconds=9),
        )
        for n in range(3)
    ]
    failed = [job("broken-1", "Failed"), job("broken-2", "Failed", started=NOW + timedelta(minutes=1))]
    limited = cron_job(successful_jobs_history_limit=1, failed_jobs_history_limit=1)
    planned = plan(after(limited, NOW, ended[2]), [*ended, *failed], (), NOW)
    assert [one.metadata.name for one in planned.expired] == ["report-0", "report-1", "broken-1"]
    assert planned.status.active == []
    assert planned.status.last_successful_time == NOW + timedelta(minutes=2, seconds=9)
    assert [told.message for told in planned.events] == ["Saw completed job: report-2, condition: Complete"]


def test_an_active_job_that_is_gone_leaves_the_list() -> None:
    gone = job("report-1")
    planned = plan(after(cron_job(), NOW, gone), [], ("uid-report-1",), NOW)
    assert planned.status.active == []
    assert [told.message for told in planned.events] == ["Active job went missing: report-1"]


def test_nothing_is_started_while_suspended_or_without_a_schedule_that_can_be_read() -> None:
    before = NOW - timedelta(minutes=5)
    assert plan(after(cron_job(suspend=True), before), [], (), NOW).turn.start is None
    never = plan(after(cron_job("59 23 31 2 *"), before), [], (), NOW).turn
    assert (never.start, [told.reason for told in never.events]) == (None, ["InvalidSchedule"])
    wrong = plan(after(cron_job("x"), before), [], (), NOW).turn
    assert (wrong.start, [told.reason for told in wrong.events]) == (None, ["UnparseableSchedule"])
    nowhere = plan(after(cron_job(time_zone="Moon/Base"), before), [], (), NOW).turn
    assert [told.message for told in nowhere.events] == ['invalid timeZone: "Moon/Base": unknown time zone Moon/Base']


def test_the_job_of_a_start_is_named_after_its_minute_and_says_when_it_was_due() -> None:
    made = job_for(cron_job(time_zone="Asia/Shanghai"), NOW)
    assert made.metadata.name == f"report-{int(NOW.timestamp()) // 60}"
    assert made.metadata.annotations == {"a": "b", SCHEDULED: "2030-01-01T20:00:00+08:00"}
    assert made.metadata.labels == {"of": "report"}
    owner = meta.controller_of(made)
    assert owner is not None
    assert owner.name == "report"


async def test_a_cron_job_starts_one_job_for_each_time_and_keeps_the_last_ones(cluster: Cluster) -> None:
    one = cron_job("*/5 * * * *", successful_jobs_history_limit=2)
    one.metadata = meta_v1.ObjectMeta(name="report", namespace="default")
    await cluster.apply(one)
    await cluster.clock.sleep(26 * 60)
    await cluster.settle()
    jobs = (await cluster.client.list(batch_v1.Job, namespace="default")).items
    assert len(jobs) == 2
    latest = (await cluster.client.get(batch_v1.CronJob, "report", "default")).status
    assert latest.active == []
    assert latest.last_successful_time is not None
    assert latest.last_schedule_time is not None
    assert latest.last_schedule_time.minute % 5 == 0
    events = (await cluster.client.list(core_v1.Event, namespace="default")).items
    created = [
        event for event in events if event.reason == "SuccessfulCreate" and event.involved_object.kind == "CronJob"
    ]
    assert sum(event.count for event in created) in (5, 6)
    told = [event for event in events if event.reason in ("SuccessfulDelete", "SawCompletedJob")]
    told.sort(key=lambda event: int(event.metadata.resource_version))
    # A Job goes before anybody is told of the one that takes its place.
    assert [event.reason for event in told][-2:] == ["SuccessfulDelete", "SawCompletedJob"]


async def test_a_job_goes_when_its_time_to_live_after_its_end_is_over(cluster: Cluster) -> None:
    template = cron_job().spec.job_template.spec.template
    spec = batch_v1.JobSpec(template=template, ttl_seconds_after_finished=60)
    await cluster.apply(batch_v1.Job(metadata=meta_v1.ObjectMeta(name="once", namespace="default"), spec=spec))
    await cluster.settle()
    assert (await cluster.client.get(batch_v1.Job, "once", "default")).status.succeeded == 1
    await cluster.clock.sleep(75)
    await cluster.settle()
    assert (await cluster.client.list(batch_v1.Job, namespace="default")).items == []
    assert (await cluster.client.list(core_v1.Pod, namespace="default")).items == []
