"""The guestbook as scripts/up deploys it: real containers, Services by DNS name, reads from the replicas."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from e2e import machine
from e2e.cluster import UserCluster

pytestmark = pytest.mark.node
ROOT = Path(__file__).parents[2]
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def page(url: str, message: str | None = None) -> dict[str, Any]:
    body = None if message is None else urllib.parse.urlencode({"message": message}).encode()
    with _DIRECT.open(f"{url}?json", body, timeout=120) as answer:
        found = json.loads(answer.read())
    assert isinstance(found, dict)
    return found


def deploy(cluster: UserCluster) -> str:
    command = [sys.executable, str(ROOT / "scripts" / "guestbook.py"), "--name", cluster.name]
    command += ["--data-dir", str(cluster.data_dir), "--port", str(cluster.port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Try next:" in done.stdout
    (address,) = re.findall(r"The guestbook is at (\S+)", done.stdout)
    return str(address)


def test_the_guestbook_is_deployed_signed_read_and_leaves_no_trace(cluster: UserCluster) -> None:
    address = deploy(cluster)
    pods = cluster.get("pods")["items"]
    roles = sorted(one["metadata"]["labels"].get("role", "frontend") for one in pods)
    assert roles == ["frontend", "frontend", "frontend", "primary", "replica", "replica"]

    page(address, "Hello from the first visitor")
    cluster.wait("--for=condition=Ready", "pod", "-l", "app=redis")
    _until_replicated(cluster)
    seen = [page(address) for _ in range(12)]
    assert all("Hello from the first visitor" in one["messages"] for one in seen)
    assert len({one["served_by"] for one in seen}) > 1, "several frontends share the work"

    assert deploy(cluster) == address, "a second run changes nothing"
    traces = machine.traces_of(cluster)
    cluster.p8s("down")
    assert machine.still_there(traces, cluster) == set()
    cluster.p8s("down", "--purge")
    assert not cluster.data_dir.exists()


def _until_replicated(cluster: UserCluster) -> None:
    """The primary itself says when its replicas have everything."""
    cluster.kubectl("exec", "deployment/redis-primary", "--", "redis-cli", "WAIT", "2", "200000")
