"""Controllers of one rule each: quotas, budgets, finished Jobs, protected claims, gathered roles, lost pods."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence import hands
from controllers.convergence.histories import History, properties
from controllers.convergence.replicas import template
from controllers.convergence.world import Step, World
from pybernetes.api import meta
from pybernetes.api.models import batch_v1, core_v1, policy_v1, rbac_v1


async def create_pod(world: World) -> None:
    name = f"pod-{world.random.randrange(12)}"
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": f"claim-{world.random.randrange(3)}"}}]
    scratch = {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}
    volumes.append({"name": "scratch", "ephemeral": {"volumeClaimTemplate": scratch}})
    made = template("x", volumes=world.random.choice(([], volumes)))
    await world.create(core_v1.Pod, name, metadata={"labels": {"app": "x"}}, spec=made["spec"])


async def begin(world: World) -> None:
    for _ in range(3):
        await hands.add_node(world)


async def create_quota(world: World) -> None:
    hard = {"pods": str(world.random.randrange(5, 20)), "configmaps": "50"}
    await world.create(core_v1.ResourceQuota, "quota", spec={"hard": hard})


async def spoil_quota(world: World) -> None:
    quota = world.get(core_v1.ResourceQuota, "quota")
    if quota is not None:
        await world.patch(quota, {"used": {"pods": "7", "configmaps": "3"}, "hard": quota.spec.hard}, status=True)


def quota_is_right(world: World) -> Iterable[str]:
    used = {
        "pods": str(sum(not hands.is_finished(pod) for pod in world.all(core_v1.Pod))),
        "configmaps": str(sum(one.metadata.namespace == "default" for one in world.all(core_v1.ConfigMap))),
    }
    for quota in world.all(core_v1.ResourceQuota):
        if quota.status.used != used or quota.status.hard != quota.spec.hard:
            yield f"the quota says {quota.status.used}, used is {used}"


test_quotas_converge, test_quotas_converge_nightly, test_quotas_converge_in_all_troubles = properties(
    History(
        controllers=("resourcequota-controller",),
        begin=begin,
        actions={create_quota: 2, spoil_quota: 1, create_pod: 6, **hands.PODS_LIVES},
        at_rest=quota_is_right,
    ),
    seeds=1,
)


async def create_budget(world: World) -> None:
    least = world.random.choice((1, 3))
    spec = {"minAvailable": least, "selector": {"matchLabels": {"app": "x"}}}
    await world.create(policy_v1.PodDisruptionBudget, "budget", spec=spec)


async def change_budget(world: World) -> None:
    budget = world.get(policy_v1.PodDisruptionBudget, "budget")
    if budget is not None:
        await world.patch(budget, {"spec": {"minAvailable": world.random.randrange(5)}})


def budget_is_right(world: World) -> Iterable[str]:
    pods = [pod for pod in world.all(core_v1.Pod) if hands.is_active(pod)]
    healthy = sum(meta.is_true(pod.status, "Ready") for pod in pods)
    for budget in world.all(policy_v1.PodDisruptionBudget):
        wanted, status = int(budget.spec.min_available or 0), budget.status
        said = (status.expected_pods, status.current_healthy, status.desired_healthy, status.disruptions_allowed)
        expected = len(world.all(core_v1.Pod))
        if said != (expected, healthy, wanted, max(0, healthy - wanted)):
            yield f"the budget says {said} of {len(pods)} pods, {healthy} healthy, {wanted} wanted"
        if status.observed_generation != budget.metadata.generation:
            yield "the budget has not observed its last change"


test_budgets_converge, test_budgets_converge_nightly, test_budgets_converge_in_all_troubles = properties(
    History(
        controllers=("disruption-controller",),
        begin=begin,
        actions={create_budget: 2, change_budget: 1, create_pod: 6, **hands.PODS_LIVES},
        at_rest=budget_is_right,
    ),
    seeds=1,
)


async def create_claim(world: World) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await world.create(core_v1.PersistentVolumeClaim, f"claim-{world.random.randrange(3)}", spec=spec)


async def delete_claim(world: World) -> None:
    claim = world.pick(core_v1.PersistentVolumeClaim)
    if claim is not None:
        await world.delete(claim)


def claims_are_right(world: World) -> Iterable[str]:
    """A pod that has ended keeps its claims until it is gone, as upstream's do (podUsesPVC of pvcprotection)."""
    used = {
        volume.persistent_volume_claim.claim_name
        for pod in world.all(core_v1.Pod)
        if pod.spec.node_name
        for volume in pod.spec.volumes
        if volume.persistent_volume_claim
    }
    names = set()
    for claim in world.all(core_v1.PersistentVolumeClaim):
        name = claim.metadata.name
        names.add(name)
        owned, deleted = claim.metadata.owner_references, claim.metadata.deletion_timestamp is not None
        if deleted and name not in used and not owned:
            yield f"{name} is not used and does not end"
        if not deleted and "kubernetes.io/pvc-protection" not in claim.metadata.finalizers:
            yield f"{name} is not protected"
    for pod in world.all(core_v1.Pod):
        has_scratch = any(volume.ephemeral for volume in pod.spec.volumes)
        if has_scratch and hands.is_active(pod) and f"{pod.metadata.name}-scratch" not in names:
            yield f"{pod.metadata.name} has no claim for its ephemeral volume"


def used_claims_stay(world: World, step: Step) -> None:
    if isinstance(step.old, core_v1.PersistentVolumeClaim) and step.new is None:
        name = step.old.metadata.name
        for pod in world.all(core_v1.Pod):
            users = [one.persistent_volume_claim for one in pod.spec.volumes if one.persistent_volume_claim]
            if pod.spec.node_name and hands.is_active(pod) and any(one.claim_name == name for one in users):
                world.complain(f"{name} went while {pod.metadata.name} used it")


test_claims_converge, test_claims_converge_nightly, test_claims_converge_in_all_troubles = properties(
    History(
        controllers=("persistentvolumeclaim-protection-controller", "ephemeral-volume-controller"),
        begin=begin,
        actions={create_claim: 3, delete_claim: 2, create_pod: 6, **hands.PODS_LIVES},
        always=used_claims_stay,
        at_rest=claims_are_right,
    ),
    seeds=1,
)


async def create_job(world: World) -> None:
    name, ttl = f"job-{world.random.randrange(6)}", world.random.choice((None, 0, 20, 90))
    made = template("x", restartPolicy="Never")
    spec = {"ttlSecondsAfterFinished": ttl, "template": {"spec": made["spec"]}}
    await world.create(batch_v1.Job, name, spec={key: value for key, value in spec.items() if value is not None})


def not_before_its_time(world: World, step: Step) -> None:
    job = step.old
    if not isinstance(job, batch_v1.Job) or step.new is not None:
        return
    end, ttl = job.status.completion_time, job.spec.ttl_seconds_after_finished
    if end is None or ttl is None or (world.clock.now() - end).total_seconds() < ttl:
        world.complain(f"{job.metadata.name} went before its time")


def finished_jobs_are_gone(world: World) -> Iterable[str]:
    for job in world.all(batch_v1.Job):
        if job.spec.ttl_seconds_after_finished is not None:
            yield f"{job.metadata.name} is still there: {[one.type for one in job.status.conditions]}"


test_finished_jobs_go, test_finished_jobs_go_nightly, test_finished_jobs_go_in_all_troubles = properties(
    History(
        controllers=("ttl-after-finished-controller", "job-controller"),
        begin=begin,
        actions={create_job: 4, hands.steps: 10},
        always=not_before_its_time,
        at_rest=finished_jobs_are_gone,
    ),
    seeds=1,
)


async def create_role(world: World) -> None:
    number = world.random.randrange(4)
    rule = {"verbs": ["get"], "apiGroups": [""], "resources": [f"things{number}"]}
    labels = {"part": world.random.choice(("yes", "no"))}
    await world.create(rbac_v1.ClusterRole, f"role-{number}", metadata={"labels": labels}, rules=[rule])


async def create_gathering_role(world: World) -> None:
    rule = {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]}
    await world.create(rbac_v1.ClusterRole, "all", aggregationRule=rule)


async def change_role(world: World) -> None:
    role = world.pick(rbac_v1.ClusterRole)
    if role is not None:
        await world.patch(role, {"metadata": {"labels": {"part": world.random.choice(("yes", "no", None))}}})


async def delete_role(world: World) -> None:
    role = world.pick(rbac_v1.ClusterRole)
    if role is not None:
        await world.delete(role)


def roles_are_gathered(world: World) -> Iterable[str]:
    whole = world.get(rbac_v1.ClusterRole, "all", "")
    if whole is None:
        return
    parts = [
        one for one in world.all(rbac_v1.ClusterRole) if one.metadata.labels.get("part") == "yes" and one is not whole
    ]
    wanted = {one.rules[0].resources[0] for one in parts}
    got = {resource for rule in whole.rules for resource in rule.resources}
    if got != wanted or len(whole.rules) != len(wanted):
        yield f"gathered are {got} of {wanted}"


test_roles_are_gathered, test_roles_are_gathered_nightly, test_roles_are_gathered_in_all_troubles = properties(
    History(
        controllers=("clusterrole-aggregation-controller",),
        actions={create_role: 5, create_gathering_role: 1, change_role: 2, delete_role: 1},
        at_rest=roles_are_gathered,
    ),
    seeds=1,
)


def no_pod_is_lost(world: World) -> Iterable[str]:
    nodes = {node.metadata.name for node in world.all(core_v1.Node)}
    for pod in world.all(core_v1.Pod):
        if pod.spec.node_name and pod.spec.node_name not in nodes:
            yield f"{pod.metadata.name} is on {pod.spec.node_name}, which is gone"


async def slowly(world: World) -> bool:
    """Nodes are given up only after a while: pods of nodes that are gone are nobody's to move."""
    nodes = {node.metadata.name for node in world.all(core_v1.Node)}
    moved = False
    for pod in world.all(core_v1.Pod):
        if pod.spec.node_name in ("", *nodes):
            moved |= await hands.step_of(world, pod)
    return moved


test_pods_of_lost_nodes_go, test_pods_of_lost_nodes_go_nightly, test_pods_of_lost_nodes_go_in_all_troubles = properties(
    History(
        controllers=("pod-garbage-collector-controller",),
        begin=begin,
        actions={create_pod: 6, hands.add_node: 1, hands.lose_node: 1, hands.steps: 6},
        at_rest=no_pod_is_lost,
        drive=slowly,
    ),
    seeds=1,
)
