"""The lease that says an API server is there, and what else it makes at its start."""

from __future__ import annotations

import asyncio

import pytest

from apiserver.serving import serving
from pybernetes.apiserver.identity_lease import RENEW_SECONDS, IdentityLease, lease_name
from pybernetes.apiserver.outdated_identities import OutdatedIdentities

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"


@pytest.mark.virtual_time
async def test_a_server_says_that_it_is_there_and_keeps_saying_so() -> None:
    async with serving() as talk:
        identity = IdentityLease(talk.server, "host-1", "10.0.0.1:6443")
        await identity.start()
        first = (await talk.get(f"{LEASES}/{identity.name}")).body
        assert first["metadata"]["labels"] == {
            "apiserver.kubernetes.io/identity": "kube-apiserver",
            "kubernetes.io/hostname": "host-1",
        }
        assert first["spec"]["leaseDurationSeconds"] == 3600
        assert first["spec"]["holderIdentity"].startswith(f"{identity.name}_")
        await asyncio.sleep(RENEW_SECONDS + 1)
        later = (await talk.get(f"{LEASES}/{identity.name}")).body
        assert later["spec"]["renewTime"] > first["spec"]["renewTime"]
        await identity.stop()


async def test_a_server_that_starts_again_takes_its_old_lease() -> None:
    async with serving() as talk:
        for _ in range(2):
            identity = IdentityLease(talk.server, "host-1", "10.0.0.1:6443")
            await identity.start()
            await identity.stop()
        items = (await talk.get(LEASES)).body["items"]
        assert [item["metadata"]["name"] for item in items] == [identity.name]
        assert items[0]["spec"]["holderIdentity"].startswith(identity.name)


def test_servers_on_different_addresses_have_different_leases() -> None:
    assert lease_name("host", "10.0.0.1:6443") != lease_name("host", "10.0.0.2:6443")
    assert len(lease_name("host", "10.0.0.1:6443")) == len("apiserver-") + 26


async def test_the_use_of_tokens_in_secrets_is_tracked_from_the_first_day() -> None:
    async with serving() as talk:
        path = "/api/v1/namespaces/kube-system/configmaps/kube-apiserver-legacy-service-account-token-tracking"
        assert list((await talk.get(path)).body["data"]) == ["since"]


async def test_leases_of_servers_that_are_gone_go() -> None:
    async with serving() as talk:
        labels = {"apiserver.kubernetes.io/identity": "kube-apiserver"}
        old = {"renewTime": "2020-01-02T03:04:05.000000Z", "leaseDurationSeconds": 3600}
        for name, of, spec in (("gone", labels, old), ("silent", labels, {}), ("other", {}, old)):
            made = await talk.post(LEASES, {"metadata": {"name": name, "labels": of}, "spec": spec})
            assert made.status == 201, made.message
        identity = IdentityLease(talk.server, "host-1", "10.0.0.1:6443")
        await identity.start()
        await talk.get(LEASES)
        outdated = OutdatedIdentities(talk.server)
        await outdated.start()
        assert outdated.is_running
        await outdated.stop()
        left = [item["metadata"]["name"] for item in (await talk.get(LEASES)).body["items"]]
        assert left == [identity.name, "other"]
        await identity.stop()
