"""The cluster's description is signed with exactly the tokens there are, and tokens go when they have expired."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta

from controllers.convergence.histories import History, properties
from controllers.convergence.world import Step, World
from pybernetes.api import bootstrap_tokens, meta
from pybernetes.api.models import core_v1
from pybernetes.controllers.bootstrap_signer import CLUSTER_INFO, KUBECONFIG, SIGNATURE

SYSTEM = bootstrap_tokens.NAMESPACE


async def begin(world: World) -> None:
    for name in (SYSTEM, CLUSTER_INFO.namespace):
        await world.create(core_v1.Namespace, name)


async def describe(world: World) -> None:
    data = {KUBECONFIG: f"version {world.random.randrange(3)}"}
    present = world.get(core_v1.ConfigMap, CLUSTER_INFO.name, CLUSTER_INFO.namespace)
    if present is None:
        await world.create(core_v1.ConfigMap, CLUSTER_INFO.name, CLUSTER_INFO.namespace, data=data)
    else:
        await world.patch(present, {"data": data})


async def spoil_signature(world: World) -> None:
    present = world.get(core_v1.ConfigMap, CLUSTER_INFO.name, CLUSTER_INFO.namespace)
    if present is not None:
        await world.patch(present, {"data": {f"{SIGNATURE}abcdef": "spoiled"}})


async def create_token(world: World) -> None:
    token_id = f"token{world.random.randrange(6)}"
    lives = timedelta(seconds=world.random.choice((20, 120, 10**6)))
    data = {
        bootstrap_tokens.ID: token_id,
        bootstrap_tokens.SECRET: "0123456789abcdef",
        "expiration": meta.format_time(world.clock.now() + lives),
        "usage-bootstrap-signing": world.random.choice(("true", "true", "false")),
    }
    encoded = {key: b64encode(text.encode()).decode() for key, text in data.items()}
    name = bootstrap_tokens.secret_name(token_id)
    await world.create(core_v1.Secret, name, SYSTEM, type=bootstrap_tokens.SECRET_TYPE, data=encoded)


async def delete_token(world: World) -> None:
    secret = world.pick(core_v1.Secret)
    if secret is not None and secret.type == bootstrap_tokens.SECRET_TYPE:
        await world.delete(secret)


def _tokens(world: World) -> list[core_v1.Secret]:
    return [one for one in world.all(core_v1.Secret) if one.type == bootstrap_tokens.SECRET_TYPE]


def _expires(secret: core_v1.Secret) -> datetime:
    found = meta.parse_time(bootstrap_tokens.text_of(secret.data, "expiration"))
    assert found is not None
    return found


async def delete_by_hand(world: World) -> None:
    """Noted, so that nobody else is blamed for it."""
    world.slack += 1
    await delete_token(world)
    world.slack -= 1


def not_before_its_time(world: World, step: Step) -> None:
    old = step.old
    if not isinstance(old, core_v1.Secret) or old.type != bootstrap_tokens.SECRET_TYPE or step.new is not None:
        return
    if not world.slack and _expires(old) > world.clock.now():
        world.complain(f"{old.metadata.name} went {_expires(old) - world.clock.now()} too early")


def at_rest(world: World) -> Iterable[str]:
    tokens = _tokens(world)
    for secret in tokens:
        if _expires(secret) < world.clock.now():
            yield f"{secret.metadata.name} has expired and is still there"
    present = world.get(core_v1.ConfigMap, CLUSTER_INFO.name, CLUSTER_INFO.namespace)
    if present is not None:
        signing = [one for one in tokens if bootstrap_tokens.text_of(one.data, "usage-bootstrap-signing") == "true"]
        wanted = {SIGNATURE + bootstrap_tokens.text_of(one.data, bootstrap_tokens.ID) for one in signing}
        if present.data.keys() - {KUBECONFIG} != wanted or "spoiled" in present.data.values():
            yield f"signed by {sorted(present.data)}, wanted are {sorted(wanted)}"


test_tokens_sign, test_tokens_sign_nightly, test_tokens_sign_in_all_troubles = properties(
    History(
        controllers=("bootstrap-signer-controller", "token-cleaner-controller"),
        begin=begin,
        actions={create_token: 6, delete_by_hand: 2, describe: 2, spoil_signature: 1},
        always=not_before_its_time,
        at_rest=at_rest,
    ),
    seeds=1,
)
