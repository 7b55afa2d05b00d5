"""`p8s simulate`: whole answers for a snapshot small enough to check by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from pybernetes.cli.commands.simulate import simulate


def node(name: str, cpu: str = "4", **content: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **content.pop("labels", {})}},
        "spec": content,
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "110"}},
    }


def pod(name: str, cpu: str = "", **spec: Any) -> dict[str, Any]:
    resources = {"limits": {"cpu": cpu}} if cpu else {}
    container = {"name": "main", "image": "x", "resources": resources}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [container], **spec}}


def run(tmp_path: Path, objects: list[Any], pods: list[Any], *options: str) -> str:
    snapshot, wanted = tmp_path / "snapshot.json", tmp_path / "pods.yaml"
    snapshot.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    wanted.write_text(yaml.safe_dump_all(pods))
    result = CliRunner().invoke(simulate, ["--cluster", str(snapshot), "--pods", str(wanted), *options])
    return result.output


TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}
SNAPSHOT = [
    node("node-1", labels={"disk": "hdd"}),
    node("node-2", "8", labels={"disk": "ssd"}, taints=[TAINT]),
    node("node-3", labels={"disk": "ssd"}),
    pod("old", "3750m", nodeName="node-3"),
]


def test_what_goes_where_what_waits_and_how_full_nodes_get(tmp_path: Path) -> None:
    web = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "template": {"spec": pod("", "1")["spec"]}},
    }
    assert run(tmp_path, SNAPSHOT, [web, pod("db", "750m", nodeSelector={"disk": "ssd"})]) == (
        "2 of 3 pods would be placed\n"
        "\n"
        "POD            NODE    NODES THAT WOULD DO\n"
        "default/web-0  node-1  1\n"
        "default/web-1  node-1  1\n"
        "\n"
        "default/db would stay pending\n"
        "  node-1 label disk is 'hdd', the pod's nodeSelector wants ssd\n"
        "  node-2 taint dedicated=db:NoSchedule is not tolerated\n"
        "  node-3 lacks 500m cpu (750m wanted, 250m of 4 free)\n"
        "\n"
        "REQUESTED OF  cpu              memory      pods\n"
        "node-1        0% → 50% of 4    0% of 8Gi   0% → 2% of 110\n"
        "node-2        0% of 8          0% of 8Gi   0% of 110\n"
        "node-3        94% of 4         0% of 8Gi   1% of 110\n"
        "all nodes     23% → 36% of 16  0% of 24Gi  0% → 1% of 330\n"
    )


def test_amounts_may_be_written_as_numbers_and_kinds_that_nobody_knows_are_passed_over(tmp_path: Path) -> None:
    widget = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"replicas": "x"}}
    plain = pod("plain")
    plain["spec"]["containers"][0]["resources"] = {"requests": {"cpu": 1, "memory": 1048576}}
    answer = run(tmp_path, [*SNAPSHOT, widget], [plain])
    assert answer.startswith("1 of 1 pods would be placed\n")
    assert "node-1        0% → 25% of 4" in answer


def test_a_snapshot_without_nodes_is_told_so(tmp_path: Path) -> None:
    assert run(tmp_path, [], [pod("web")]) == (
        "0 of 1 pods would be placed\n\ndefault/web would stay pending\n\nthe snapshot has no nodes\n"
    )


def test_an_important_pod_evicts_and_is_placed(tmp_path: Path) -> None:
    vip = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "vip"},
        "value": 1000,
    }
    output = run(tmp_path, [vip, node("n"), pod("low", "3", nodeName="n")], [pod("a", "2", priorityClassName="vip")])
    assert "default/a evicts default/low" in output
    assert "all nodes     75% → 50% of 4  0% of 8Gi  1% of 110" in output


def test_the_same_seed_gives_the_same_answer_as_json(tmp_path: Path) -> None:
    nodes, pods = [node(f"n{number}") for number in range(8)], [pod(f"p{number}", "1") for number in range(6)]
    first = run(tmp_path, nodes, pods, "-o", "json", "--seed", "7")
    assert first == run(tmp_path, nodes, pods, "-o", "json", "--seed", "7")
    placed = json.loads(first)["placed"]
    assert len({one["node"] for one in placed}) == 6


def test_waiting_pods_of_the_snapshot_are_tried_and_gated_ones_left_out(tmp_path: Path) -> None:
    gated = pod("gated", schedulingGates=[{"name": "later"}])
    output = run(tmp_path, [node("n"), pod("waiting", "1")], [gated, pod("new", "1")])
    assert output.startswith("2 of 2 pods would be placed\n")
    assert "default/gated was not tried: its scheduling gates hold it back: later\n" in output


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        ([{"apiVersion": "v1", "kind": "Secret"}], "pods.yaml has a Secret, which is no pod: give Pods,"),
        ([pod("a", priorityClassName="none")], "the priority class none of pod a is not known: add it"),
        ([{"spec": {}}], "pods.yaml has something that is no object: give every object its apiVersion and kind."),
        (["["], "has something that is no object"),
        ([pod("a", nodeSelector="ssd")], "pods.yaml cannot be read (json: cannot unmarshal string into Go"),
        (
            [{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": "2"}}],
            "pods.yaml cannot be read (json: cannot unmarshal string into Go",
        ),
    ],
)
def test_files_that_are_no_pods_are_refused(tmp_path: Path, pods: list[Any], message: str) -> None:
    assert message in run(tmp_path, [node("n")], pods)
