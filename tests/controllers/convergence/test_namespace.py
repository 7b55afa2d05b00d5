"""A namespace that is deleted goes when it is empty, and not before; every other one has its account and authority."""

from __future__ import annotations

from collections.abc import Iterable

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api.models import core_v1

NAMES = ("one", "two", "three")


async def create(world: World) -> None:
    await world.create(core_v1.Namespace, world.random.choice(NAMES))


async def fill(world: World) -> None:
    name, number = world.random.choice(NAMES), world.random.randrange(10)
    model = world.random.choice((core_v1.ConfigMap, core_v1.Secret))
    held = ["example.com/held"] if world.random.random() < 0.2 else []
    await world.create(model, f"some-{number}", name, metadata={"finalizers": held})


async def delete(world: World) -> None:
    one = world.get(core_v1.Namespace, world.random.choice(NAMES), "")
    if one is not None:
        await world.delete(one)


async def delete_account(world: World) -> None:
    account = world.pick(core_v1.ServiceAccount)
    if account is not None:
        await world.delete(account)


async def spoil_authority(world: World) -> None:
    present = [one for one in world.all(core_v1.ConfigMap) if one.metadata.name == "kube-root-ca.crt"]
    if present:
        await world.patch(world.random.choice(present), {"data": {"ca.crt": "spoiled"}})


async def let_go(world: World) -> bool:
    """What others hold is let go of at last."""
    held = [
        one
        for model in (core_v1.ConfigMap, core_v1.Secret)
        for one in world.all(model)
        if one.metadata.finalizers and one.metadata.deletion_timestamp is not None
    ]
    for one in held:
        await world.patch(one, {"metadata": {"finalizers": None}})
    return bool(held)


def always(world: World, step: Step) -> None:
    if isinstance(step.old, core_v1.Namespace) and step.new is None:
        name = step.old.metadata.name
        left = [key for stored in world.kinds.values() for key, one in stored.items() if one.metadata.namespace == name]
        if left:
            world.complain(f"namespace {name} went before {left[:3]}")


def at_rest(world: World) -> Iterable[str]:
    names = {one.metadata.name for one in world.all(core_v1.Namespace)}
    for one in world.all(core_v1.Namespace):
        name = one.metadata.name
        if one.metadata.deletion_timestamp is not None:
            yield f"namespace {name} does not end: {one.status.conditions}"
        if world.get(core_v1.ServiceAccount, "default", name) is None:
            yield f"namespace {name} has no default service account"
        authority = world.get(core_v1.ConfigMap, "kube-root-ca.crt", name)
        if authority is None or authority.data != {"ca.crt": "hollow"}:
            yield f"namespace {name} has no authority"
    for stored in world.kinds.values():
        for key, one in stored.items():
            if one.metadata.namespace and one.metadata.namespace not in names:
                yield f"{key} is in no namespace"


test_namespaces_converge, test_namespaces_converge_nightly, test_namespaces_converge_in_all_troubles = properties(
    History(
        controllers=(
            "namespace-controller",
            "serviceaccount-controller",
            "root-ca-certificate-publisher-controller",
        ),
        actions={create: 4, fill: 8, delete: 2, delete_account: 1, spoil_authority: 1},
        always=always,
        at_rest=at_rest,
        drive=let_go,
    )
)
