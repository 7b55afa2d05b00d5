"""Sub-paths of volumes that are made of variables."""

from __future__ import annotations

import pytest

from conformance.pods_client import MERGE, Pods, state
from e2e.space import Manifest, Space, container, mount, pod, stay

pytestmark = pytest.mark.node

WORK = [{"name": "work", "emptyDir": {}}]


def env(name: str, path: str) -> Manifest:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def annotated(name: str, main: Manifest, **annotations: str) -> Manifest:
    made = pod(name, main, volumes=WORK)
    made["metadata"]["annotations"] = annotations
    return made


@pytest.mark.conformance(
    "VolumeSubpathEnvExpansion, subpath expansion",
    "VolumeSubpathEnvExpansion, subpath with absolute path",
    "VolumeSubpathEnvExpansion, subpath with backticks",
)
def test_a_sub_path_may_be_a_variable_but_must_stay_in_the_volume(space: Space) -> None:
    pods = Pods(space)
    script = "test -d /testcontainer/expanded; ls /testcontainer"
    mounts = [mount("work", "/logscontainer", subPathExpr="$(POD_NAME)"), mount("work", "/testcontainer")]
    own = container(script, env=[env("POD_NAME", "metadata.name")], volumeMounts=mounts)
    assert pods.output(pod("expanded", own, volumes=WORK, restartPolicy="Never")) == "expanded\n"
    for name, value, problem in (
        ("absolute", "/tmp", "must not be an absolute path"),
        ("backticks", "..", "must not contain '..'"),
        ("climbing", "a/../../b", "must not contain '..'"),
    ):
        mounts = [mount("work", "/logscontainer", subPathExpr="$(WHERE)")]
        pods.create(
            pod(name, container(stay(), env=[{"name": "WHERE", "value": value}], volumeMounts=mounts), volumes=WORK)
        )
        found = pods.until(name, lambda pod: state(pod).get("state", {}).get("waiting", {}).get("message"))
        waiting = state(found)["state"]["waiting"]
        assert waiting["reason"] == "CreateContainerConfigError"
        assert problem in waiting["message"]
        assert found["status"]["phase"] == "Pending"


@pytest.mark.conformance(
    "VolumeSubpathEnvExpansion, subpath ready from failed state", "VolumeSubpathEnvExpansion, subpath test writes"
)
def test_a_sub_path_follows_an_annotation_until_its_container_starts(space: Space) -> None:
    pods = Pods(space)
    mounts = [
        mount("work", "/subpath_mount", subPathExpr="$(ANNOTATION)"),
        mount("work", "/volume_mount"),
    ]
    main = container(stay(), env=[env("ANNOTATION", "metadata.annotations['mysubpath']")], volumeMounts=mounts)
    pods.create(annotated("late", main, notmysubpath="mypath"))
    pods.until(
        "late",
        lambda pod: state(pod).get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError",
    )
    pods.patch("late", {"metadata": {"annotations": {"mysubpath": "mypath"}}}, MERGE)
    pods.ready("late")
    space.run("late", "touch /volume_mount/mypath/test.log; test -f /subpath_mount/test.log")
    pods.patch("late", {"metadata": {"annotations": {"mysubpath": "mynewpath"}}}, MERGE)
    space.run("late", "test -f /subpath_mount/test.log")
    pods.delete("late")
    pods.gone("late")
