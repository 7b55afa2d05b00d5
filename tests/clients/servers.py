"""The servers that real clients talk to: started once, as a user starts them."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.cluster import PROGRAMS, UserCluster, free_port


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An API server with nothing that acts beside it; its kubeconfig."""
    directory = tmp_path_factory.mktemp("server")
    command = [PROGRAMS / "p8s", "server", "--only", "apiserver", "--port", str(free_port()), "--data-dir", directory]
    with (directory / "log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _until_ready(process, directory / "kubeconfig")
            yield directory / "kubeconfig"
        finally:
            process.terminate()


def _until_ready(process: subprocess.Popen[bytes], kubeconfig: Path) -> None:
    asked = [PROGRAMS / "kubectl", f"--kubeconfig={kubeconfig}", "wait", "--for=create", "namespace/kube-system"]
    while not kubeconfig.exists() or subprocess.run([*asked, "--timeout=240s"], capture_output=True).returncode:
        assert process.poll() is None, (kubeconfig.parent / "log").read_text()


@pytest.fixture(scope="session")
def whole_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UserCluster]:
    """Two hollow nodes with every controller; no root needed."""
    made = UserCluster(f"c{uuid.uuid4().hex[:6]}", tmp_path_factory.mktemp("whole") / "cluster", free_port())
    try:
        made.up("hollow", "--nodes", "2")
        yield made
    finally:
        made.p8s("down", "--purge")


@pytest.fixture
def kubeconfig(whole_cluster: UserCluster) -> str:
    return str(whole_cluster.data_dir / "kubeconfig")


@pytest.fixture
def namespace(whole_cluster: UserCluster) -> Iterator[str]:
    """One of the test's own, with its service account. It is deleted without waiting."""
    name = f"t-{uuid.uuid4().hex[:8]}"
    whole_cluster.kubectl("create", "namespace", name)
    whole_cluster.kubectl("wait", "-n", name, "--for=create", "serviceaccount/default", "--timeout=240s")
    yield name
    whole_cluster.kubectl("delete", "namespace", name, "--wait=false")
