"""Volumes that outlive their pods, with real containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from e2e.space import Space, container, mount, stay

pytestmark = pytest.mark.node


def database(replicas: int) -> dict[str, object]:
    write = "test -e /data/name || hostname > /data/name; echo start >> /data/starts"
    main = container(stay(write), volumeMounts=[mount("data", "/data")])
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "db"},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {
                    "containers": [main],
                    "securityContext": {"runAsUser": 1000},
                    "terminationGracePeriodSeconds": 1,
                },
            },
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    }


def test_a_stateful_set_keeps_what_it_wrote_until_its_claims_go(space: Space) -> None:
    space.apply(database(2))
    space.kubectl("rollout", "status", "statefulset/db", "--timeout=240s")
    claims = [space.get("pvc", f"data-db-{number}") for number in (0, 1)]
    assert [claim["status"]["phase"] for claim in claims] == ["Bound", "Bound"]
    assert {claim["spec"]["storageClassName"] for claim in claims} == {"local"}
    volume = space.cluster.get("pv", claims[1]["spec"]["volumeName"])
    directory = Path(volume["spec"]["local"]["path"])
    assert directory.parent == space.cluster.data_dir / "volumes"
    starts = directory / "starts"
    space.cluster.until("its start", lambda: starts.exists() and starts.read_text() == "start\n")
    assert (directory / "name").read_text() == "db-1\n"
    space.kubectl("delete", "pod", "db-1")
    space.cluster.until("another start", lambda: starts.read_text() == "start\nstart\n")
    assert (directory / "name").read_text() == "db-1\n"
    space.kubectl("delete", "statefulset", "db")
    space.kubectl("delete", "pvc", "--all", "--timeout=240s")
    space.cluster.until("the directory's end", lambda: not directory.exists())
    space.cluster.kubectl("wait", "--for=delete", f"pv/{volume['metadata']['name']}", "--timeout=240s")
