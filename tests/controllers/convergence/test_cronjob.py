"""Cron jobs start each Job once, never beside another where that is forbidden, and keep as few as they say."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import orphans, template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import batch_v1


async def create(world: World) -> None:
    name = world.random.choice(("allow", "forbid", "replace"))
    spec = {
        "schedule": "* * * * *",
        "concurrencyPolicy": name.capitalize(),
        "successfulJobsHistoryLimit": 2,
        "jobTemplate": {"spec": {"template": {"spec": template("x", restartPolicy="Never")["spec"]}}},
    }
    await world.create(batch_v1.CronJob, name, spec=spec)


async def suspend(world: World) -> None:
    one = world.pick(batch_v1.CronJob)
    if one is not None:
        await world.patch(one, {"spec": {"suspend": not one.spec.suspend}})


async def delete(world: World) -> None:
    one = world.pick(batch_v1.CronJob)
    if one is not None:
        await world.delete(one, propagation="Background")


async def suspend_all(world: World) -> bool:
    for one in world.all(batch_v1.CronJob):
        if not one.spec.suspend:
            await world.patch(one, {"spec": {"suspend": True}})
    return await hands.finish_all(world)


def finished(job: batch_v1.Job) -> bool:
    return meta.is_true(job.status, "Complete") or meta.is_true(job.status, "Failed")


def always(world: World, step: Step) -> None:
    job = step.new
    if step.old is not None or not isinstance(job, batch_v1.Job) or not job.metadata.name.startswith("forbid-"):
        return
    owner = meta.controller_of(job)
    others = [one for one in world.all(batch_v1.Job) if one is not job and meta.controller_of(one) == owner]
    running = [one.metadata.name for one in others if not finished(one)]
    if len(running) > world.allowance:
        world.complain(f"{job.metadata.name} was started beside {running}")


def at_rest(world: World) -> Iterable[str]:
    yield from orphans(world, batch_v1.Job)
    for one in world.all(batch_v1.CronJob):
        jobs = [job for job in world.all(batch_v1.Job) if meta.is_controlled_by(job, one)]
        if one.status.active:
            yield f"{one.metadata.name} says that {[job.name for job in one.status.active]} run"
        if len(jobs) > 2 or not all(map(finished, jobs)):
            yield f"{one.metadata.name} keeps {sorted(job.metadata.name for job in jobs)}"


async def begin(world: World) -> None:
    await hands.add_node(world)


test_a_cron_job_converges, test_a_cron_job_converges_nightly, test_a_cron_job_converges_in_all_troubles = properties(
    History(
        controllers=("cronjob-controller", "job-controller"),
        begin=begin,
        actions={create: 3, suspend: 1, delete: 1, hands.steps: 8, hands.collect_now: 2},
        always=always,
        at_rest=at_rest,
        drive=suspend_all,
        pauses=(1.0, 20.0, 45.0),
    )
)
