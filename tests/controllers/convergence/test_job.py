"""Jobs count every pod that finished exactly once, and never run more than they may."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import Most, orphans, owned, template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import batch_v1, core_v1

TRACKING = "batch.kubernetes.io/job-tracking"
most = Most()


@dataclass
class Seen:
    """What a world's Jobs had, by their uids."""

    phases: dict[str, dict[str, str]] = field(default_factory=dict)
    """The last phase of each pod that there ever was."""

    to_count: dict[str, set[str]] = field(default_factory=dict)
    """The pods that finished while they were tracked, before the Job was over. What ends later, it need not count."""


seen: WeakKeyDictionary[World, Seen] = WeakKeyDictionary()


async def create(world: World) -> None:
    indexed = world.random.random() < 0.5
    spec = {
        "completions": world.random.randrange(1, 6),
        "parallelism": world.random.randrange(1, 4),
        "backoffLimit": world.random.choice((0, 3, 20)),
        "completionMode": "Indexed" if indexed else "NonIndexed",
        "template": {"spec": template("x", restartPolicy="Never")["spec"]},
    }
    await world.create(batch_v1.Job, f"job-{world.random.randrange(4)}", spec=spec)


async def change_parallelism(world: World) -> None:
    one = world.pick(batch_v1.Job)
    if one is not None:
        await world.patch(one, {"spec": {"parallelism": world.random.randrange(4)}})


async def suspend(world: World) -> None:
    one = world.pick(batch_v1.Job)
    if one is not None:
        await world.patch(one, {"spec": {"suspend": not one.spec.suspend}})


async def delete(world: World) -> None:
    one = world.pick(batch_v1.Job)
    if one is not None:
        await world.delete(one, propagation="Background")


async def resume_all(world: World) -> bool:
    for one in world.all(batch_v1.Job):
        if not one.spec.parallelism and not _finished(one):
            await world.patch(one, {"spec": {"parallelism": 1}})
        if one.spec.suspend and not _finished(one):
            await world.patch(one, {"spec": {"suspend": False}})
    return await hands.finish_all(world)


def always(world: World, step: Step) -> None:
    if isinstance(step.new, batch_v1.Job):
        most.note(world, step.new, step.new.spec.parallelism or 0)
        _counts_only_grow(world, step)
    value = step.new or step.old
    if not isinstance(value, core_v1.Pod) or (owner := meta.controller_of(value)) is None:
        return
    here = seen.setdefault(world, Seen())
    here.phases.setdefault(owner.uid, {})[value.metadata.uid] = value.status.phase
    job = world.get(batch_v1.Job, owner.name)
    tracked = TRACKING in value.metadata.finalizers
    if tracked and hands.is_finished(value) and job is not None and not _finished(job):
        here.to_count.setdefault(owner.uid, set()).add(_counted_as(value))
    if step.old is None:
        active = [one for one in world.all(core_v1.Pod) if hands.is_active(one) and _is_of(one, owner.uid)]
        allowed = most.of(world, owner.uid) + world.allowance
        if len(active) > allowed:
            world.complain(f"{owner.name} has {len(active)} active pods, {allowed} are allowed")


def _counted_as(pod: core_v1.Pod) -> str:
    """Two successes of one index count once."""
    index = pod.metadata.annotations.get("batch.kubernetes.io/job-completion-index")
    return f"index {index}" if index is not None and pod.status.phase == "Succeeded" else pod.metadata.uid


def _is_of(pod: core_v1.Pod, uid: str) -> bool:
    owner = meta.controller_of(pod)
    return owner is not None and owner.uid == uid


def _counts_only_grow(world: World, step: Step) -> None:
    old, new = step.old, step.new
    if old is None or new is None:
        return
    if (new.status.succeeded, new.status.failed) < (old.status.succeeded, 0) or new.status.failed < old.status.failed:
        world.complain(f"{new.metadata.name} counted backwards")
    if _finished(old) and not _finished(new):
        world.complain(f"{new.metadata.name} is not over any more")


def _finished(job: batch_v1.Job) -> bool:
    return meta.is_true(job.status, "Complete") or meta.is_true(job.status, "Failed")


def at_rest(world: World) -> Iterable[str]:
    yield from orphans(world, batch_v1.Job)
    for pod in world.all(core_v1.Pod):
        if TRACKING in pod.metadata.finalizers:
            yield f"{pod.metadata.name} is still tracked"
    here = seen.setdefault(world, Seen())
    for one in world.all(batch_v1.Job):
        name, status = one.metadata.name, one.status
        phases = list(here.phases.get(one.metadata.uid, {}).values())
        counted, finished = (status.succeeded, status.failed), (phases.count("Succeeded"), phases.count("Failed"))
        if not _finished(one):
            yield f"{name} is not over: {counted} of {one.spec.completions}"
        if status.active or status.terminating or any(map(hands.is_active, owned(world, one))):
            yield f"{name} is over and has {status.active} active pods, {status.terminating} terminating"
        if not len(here.to_count.get(one.metadata.uid, ())) <= sum(counted) <= len(phases):
            yield f"{name} counted {counted}, of its pods {finished} finished, {len(phases)} in all"
        if counted[0] > finished[0]:
            yield f"{name} counted {counted[0]} successes of {finished[0]}"
        if meta.is_true(status, "Complete") and status.succeeded < (one.spec.completions or 0):
            yield f"{name} is complete with {status.succeeded} of {one.spec.completions}"
        uncounted = status.uncounted_terminated_pods
        if uncounted is not None and (uncounted.succeeded or uncounted.failed):
            yield f"{name} still has uncounted pods"


async def begin(world: World) -> None:
    await hands.add_node(world)


test_a_job_converges, test_a_job_converges_nightly, test_a_job_converges_in_all_troubles = properties(
    History(
        controllers=("job-controller",),
        begin=begin,
        actions={create: 3, change_parallelism: 1, suspend: 1, delete: 1, **hands.PODS_LIVES},
        always=always,
        at_rest=at_rest,
        drive=resume_all,
    ),
    seeds=3,
)
