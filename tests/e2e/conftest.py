from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import UserCluster, free_port


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[UserCluster]:
    """Not started yet; gone afterwards, with its files."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = UserCluster(f"t{uuid.uuid4().hex[:6]}", tmp_path / "cluster", free_port())
    yield made
    made.p8s("down", "--purge")


@pytest.fixture
def hollow_cluster(tmp_path: Path) -> Iterator[UserCluster]:
    made = UserCluster(f"h{uuid.uuid4().hex[:6]}", tmp_path / "cluster", free_port())
    yield made
    made.p8s("down", "--purge")
