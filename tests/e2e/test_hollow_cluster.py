"""A cluster without root: everything but containers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from e2e import machine
from e2e.cluster import PROGRAMS, UserCluster
from pybernetes.cli import processes


def test_a_hollow_cluster_comes_up_runs_pods_and_goes_without_a_trace(hollow_cluster: UserCluster) -> None:
    cluster = hollow_cluster
    cluster.up("hollow", "--nodes", "3")
    assert len(cluster.get("nodes")["items"]) == 3
    cluster.kubectl("apply", "-f", "-", text=DEPLOYMENT)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    status = json.loads(cluster.p8s("status", "-o", "json").stdout)
    assert status["ready"]
    assert status["problems"] == []
    pids = cluster.pids()
    cluster.p8s("down", "--purge")
    assert not cluster.data_dir.exists()
    assert [pid for pid in pids.values() if processes.of_pid(pid) is not None] == []


def test_up_again_changes_nothing_and_up_after_kill_brings_everything_back(hollow_cluster: UserCluster) -> None:
    cluster = hollow_cluster
    cluster.up("hollow")
    cluster.kubectl("apply", "-f", "-", text=DEPLOYMENT)
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    before = cluster.pids()
    cluster.up("hollow")
    assert cluster.pids() == before
    machine.kill_everything(cluster)
    stopped = cluster.p8s("status", check=False)
    assert stopped.returncode == 1
    assert "the cluster is not running: start it with `p8s up" in stopped.stdout
    cluster.p8s("up")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=240s")
    assert cluster.pids().keys() == before.keys()


def test_other_options_for_a_running_cluster_are_refused(hollow_cluster: UserCluster) -> None:
    hollow_cluster.up("hollow")
    refused = hollow_cluster.p8s("up", "--nodes", "2", check=False)
    assert refused.returncode == 1
    assert "the cluster runs with other options: stop it with `p8s down` first" in refused.stderr


def test_an_administrators_token_opens_the_cluster(hollow_cluster: UserCluster) -> None:
    cluster = hollow_cluster
    cluster.up("hollow")
    token = cluster.p8s("token", "create", "--admin").stdout.strip()
    authority = str(cluster.data_dir / "pki" / "ca.crt")
    by_token = ["--kubeconfig=/dev/null", f"--server=https://127.0.0.1:{cluster.port}", f"--token={token}"]
    names = cluster.kubectl(*by_token, f"--certificate-authority={authority}", "get", "namespaces", "-o", "name")
    assert "namespace/default" in names.split()


DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: "nginx:1"}]
"""


def test_a_node_joins_with_a_token_and_keeps_its_certificate(hollow_cluster: UserCluster, tmp_path: Path) -> None:
    cluster = hollow_cluster
    cluster.up("hollow")
    token = cluster.p8s("token", "create").stdout.strip()
    authority = str(cluster.data_dir / "pki" / "ca.crt")
    command = [str(PROGRAMS / "p8s"), "agent", "--server", f"https://127.0.0.1:{cluster.port}", "--runtime", "hollow"]
    command += ["--node-name", "joined", "--data-dir", str(tmp_path / "agent"), "--certificate-authority", authority]
    for secret in (token, "no-token-is-needed-the-second-time"):
        with subprocess.Popen([*command, "--token", secret], stderr=subprocess.DEVNULL) as agent:
            try:
                cluster.kubectl("wait", "--for=create", "node/joined", "--timeout=240s")
                cluster.kubectl("wait", "--for=condition=Ready", "node/joined", "--timeout=240s")
            finally:
                agent.terminate()
        assert agent.returncode == 0
        cluster.kubectl("delete", "node", "joined")


def test_an_unknown_token_is_refused_with_what_to_do(hollow_cluster: UserCluster, tmp_path: Path) -> None:
    cluster = hollow_cluster
    cluster.up("hollow")
    command = [str(PROGRAMS / "p8s"), "agent", "--server", f"https://127.0.0.1:{cluster.port}", "--runtime", "hollow"]
    command += ["--data-dir", str(tmp_path), "--certificate-authority", str(cluster.data_dir / "pki" / "ca.crt")]
    refused = subprocess.run([*command, "--token", "unknown"], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    expected = "Error: the server does not know the token: make one on the server with `p8s token create`.\n"
    assert refused.stderr == expected
