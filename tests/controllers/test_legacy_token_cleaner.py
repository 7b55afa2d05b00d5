"""Old tokens of service accounts: marked after a year without use, gone a year later."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from controllers.make import NOW, pod
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.client.events import EventBroadcaster
from pybernetes.controllers.controller import Context
from pybernetes.controllers.legacy_token_cleaner import (
    INVALID_SINCE,
    TRACKING,
    LegacyTokenCleaner,
    Step,
    is_auto_generated,
    is_idle,
    is_named,
    is_tracked_long_enough,
    next_step,
)
from pybernetes.testing.cluster import Cluster
from pybernetes.testing.loop import EPOCH, LoopClock

DAY = timedelta(days=1)


def token(age: timedelta = 400 * DAY, **labels: str) -> core_v1.Secret:
    return core_v1.Secret(
        metadata=meta_v1.ObjectMeta(
            name="robot-token-x",
            namespace="default",
            creation_timestamp=NOW - age,
            labels={f"kubernetes.io/legacy-token-{name.replace('_', '-')}": value for name, value in labels.items()},
            annotations={"kubernetes.io/service-account.name": "robot"},
        ),
        type="kubernetes.io/service-account-token",
    )


def account(*secrets: str, uid: str = "u") -> core_v1.ServiceAccount:
    return core_v1.ServiceAccount(
        metadata=meta_v1.ObjectMeta(name="robot", namespace="default", uid=uid),
        secrets=[core_v1.ObjectReference(name=name) for name in secrets],
    )


def test_use_must_have_been_noted_for_a_whole_year() -> None:
    assert not is_tracked_long_enough("2029-01-01", NOW)
    assert is_tracked_long_enough("2028-12-31", NOW)
    with pytest.raises(ValueError, match="does not match"):
        is_tracked_long_enough("last year", NOW)


@pytest.mark.parametrize(
    ("secret", "idle"),
    [
        (token(), True),
        (token(365 * DAY), False),
        (token(last_used="2029-01-01"), False),
        (token(last_used="2028-12-31"), True),
        (token(last_used="once"), False),
    ],
)
def test_a_token_is_idle_when_it_is_old_and_has_not_been_used_for_a_year(secret: core_v1.Secret, idle: bool) -> None:
    assert is_idle(secret, NOW) is idle


def test_only_tokens_that_their_account_refers_to_were_made_by_the_cluster() -> None:
    assert is_auto_generated(token(), account("robot-token-x"))
    assert not is_auto_generated(token(), account())
    assert not is_auto_generated(token(), None)
    foreign = token()
    foreign.metadata.annotations["kubernetes.io/service-account.uid"] = "another"
    assert not is_auto_generated(foreign, account("robot-token-x"))


def test_a_token_that_a_pod_mounts_is_used() -> None:
    user = pod("user")
    user.spec.volumes = [core_v1.Volume(name="token", secret=core_v1.SecretVolumeSource(secret_name="robot-token-x"))]
    assert is_named(token(), [pod("other"), user])
    assert not is_named(token(), [pod("other")])


def test_a_token_is_marked_first_and_removed_a_year_after_that() -> None:
    assert next_step(token(), NOW) is Step.INVALIDATE
    assert next_step(token(invalid_since="someday"), NOW) is Step.INVALIDATE
    assert next_step(token(invalid_since="2029-01-01"), NOW) is Step.KEEP
    assert next_step(token(invalid_since="2028-12-31"), NOW) is Step.REMOVE


def cleaner(cluster: Cluster, ahead: timedelta) -> LegacyTokenCleaner:
    random = Random(0)
    events = EventBroadcaster(cluster.client, LoopClock(), random)
    return LegacyTokenCleaner(
        Context(cluster.client, cluster.informers, LoopClock(EPOCH + ahead), random, events.recorder)
    )


@pytest.mark.cluster(controllers=(), scheduler=False, nodes=0)
async def test_the_daily_look_marks_and_then_removes(cluster: Cluster) -> None:
    client = cluster.client
    await client.create(account("robot-token-x", uid=""))
    await client.create(token())
    manual = token()
    manual.metadata.name = "by-hand"
    await client.create(manual)
    await cluster.settle()
    first = cleaner(cluster, 368 * DAY)
    await cluster.settle()
    await first.reconcile(Key("", ""))
    marked = await client.get(core_v1.Secret, "robot-token-x", "default")
    assert marked.metadata.labels == {INVALID_SINCE: f"{cluster.clock.now() + 368 * DAY:%Y-%m-%d}"}
    await cleaner(cluster, 500 * DAY).reconcile(Key("", ""))
    assert (await client.get(core_v1.Secret, "robot-token-x", "default")) == marked
    await cleaner(cluster, 368 * 2 * DAY).reconcile(Key("", ""))
    left = (await client.list(core_v1.Secret, "default")).items
    assert [(secret.metadata.name, secret.metadata.labels) for secret in left] == [("by-hand", {})]


@pytest.mark.cluster(controllers=(), scheduler=False, nodes=0)
async def test_nothing_is_marked_before_use_has_been_noted_for_a_year(cluster: Cluster) -> None:
    await cluster.client.create(account("robot-token-x", uid=""))
    await cluster.client.create(token())
    await cluster.client.patch(
        core_v1.ConfigMap, TRACKING.name, TRACKING.namespace, {"data": {"since": f"{cluster.clock.now() + 9 * DAY:%F}"}}
    )
    early = cleaner(cluster, 370 * DAY)
    await cluster.settle()
    await early.reconcile(Key("", ""))
    [secret] = (await cluster.client.list(core_v1.Secret, "default")).items
    assert secret.metadata.labels == {}
