"""Fixtures over one cluster with real containers, shared by all tests of a run, wherever they stand."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from e2e.cluster import UserCluster, free_port
from e2e.space import Space


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserCluster]:
    """One node with real containers and the busybox image, for every test that does not start or stop the cluster."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = UserCluster(f"s{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("shared") / "cluster", free_port())
    try:
        made.up()
        made.p8s("image", "build", "busybox")
        yield made
    finally:
        made.p8s("down", "--purge")


@pytest.fixture
def space(shared_cluster: UserCluster) -> Iterator[Space]:
    """A namespace of the test's own. It is deleted without waiting."""
    made = Space(shared_cluster, f"t-{uuid.uuid4().hex[:8]}")
    made.create()
    yield made
    shared_cluster.kubectl("delete", "namespace", made.name, "--wait=false")


@pytest.fixture(scope="session")
def talking(shared_cluster: UserCluster) -> None:
    """What `e2e.talking`'s pods are made of."""
    shared_cluster.p8s("image", "build", "php")
