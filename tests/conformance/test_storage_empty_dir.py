"""Scratch space of pods, and parts of volumes, in real containers."""

from __future__ import annotations

import pytest

from conformance.looking import config, looking, projected, secret_of, seen
from e2e.space import Manifest, Space, config_map, container, mount, pod, secret, stay

pytestmark = pytest.mark.node

MODES = {"0644": "-rw-r--r--", "0666": "-rw-rw-rw-", "0777": "-rwxrwxrwx"}


@pytest.mark.conformance(
    "EmptyDir, medium default, volume mode default",
    "EmptyDir, medium memory, volume mode default",
    "EmptyDir, medium default, volume mode 0644",
    "EmptyDir, medium default, volume mode 0666",
    "EmptyDir, medium default, volume mode 0777",
    "EmptyDir, medium memory, volume mode 0644",
    "EmptyDir, medium memory, volume mode 0666",
    "EmptyDir, medium memory, volume mode 0777",
    "EmptyDir, medium memory, volume mode 0644, non-root user",
    "EmptyDir, medium memory, volume mode 0666,, non-root user",
    "EmptyDir, medium memory, volume mode 0777, non-root user",
)
def test_files_in_scratch_space_have_the_modes_that_any_user_gives_them(space: Space) -> None:
    """The names of the list say "medium default" for root and for other users alike: both are looked at."""
    write = "".join(
        f"echo mount-tester > /scratch/{mode}; chmod {mode} /scratch/{mode}; see /scratch/{mode};" for mode in MODES
    )
    script = "umask 0; stat -c %A /scratch; grep ' /scratch ' /proc/mounts | cut -d' ' -f3; id -u;" + write
    pods = [
        looking(
            f"{medium.lower() or 'disk'}-{user}",
            script,
            {"scratch": {"emptyDir": {"medium": medium}}},
            securityContext={"runAsUser": user},
        )
        for medium in ("", "Memory")
        for user in (0, 1001)
    ]
    for name, (directory, kind, user, *files) in seen(space, pods).items():
        assert directory == ("drwxrwxrwt" if name.startswith("memory") else "drwxrwxrwx")
        assert (kind == "tmpfs") == name.startswith("memory")
        assert name.endswith(user)
        assert files == [f"/scratch/{mode} {shown} mount-tester" for mode, shown in MODES.items()]


@pytest.mark.conformance("EmptyDir, Shared volumes between containers")
def test_containers_share_scratch_space(space: Space) -> None:
    scratch = [mount("scratch", "/pod-data")]
    main = container("while ! test -s /pod-data/file; do sleep 1; done; cat /pod-data/file", volumeMounts=scratch)
    sub = container("echo 'Hello from the busy-box sub-container' > /pod-data/file", "sub", volumeMounts=scratch)
    volumes = [{"name": "scratch", "emptyDir": {}}]
    space.apply(pod("shared", main, sub, volumes=volumes, restartPolicy="Never"))
    space.wait_for(".status.phase", "Succeeded", "shared")
    assert space.kubectl("logs", "shared", "-c", "main") == "Hello from the busy-box sub-container\n"


@pytest.mark.conformance(
    "SubPath: Reading content from a configmap volume.",
    "SubPath: Reading content from a downwardAPI volume.",
    "SubPath: Reading content from a projected volume.",
    "SubPath: Reading content from a secret volume.",
)
def test_parts_of_volumes_are_read_where_they_are_mounted_even_over_a_file(space: Space) -> None:
    """Both behaviours of config maps have the same name: a part at a place of its own, and over an existing file."""
    space.apply(config_map("map", key="from the map"), secret("hidden", key="from the secret"))
    name = {"path": "downward/podname", "fieldRef": {"fieldPath": "metadata.name"}}
    volumes = {
        "map": config("map"),
        "hidden": secret_of("hidden"),
        "about": {"downwardAPI": {"items": [name]}},
        "all": projected({"configMap": {"name": "map", "items": [{"key": "key", "path": "projected/key"}]}}),
    }
    parts = {"map": "key", "hidden": "key", "about": "downward/podname", "all": "projected/key"}
    contents = {"map": "from the map", "hidden": "from the secret", "about": "parts", "all": "from the map"}
    mounts = [mount(volume, f"/test/{volume}", subPath=part) for volume, part in parts.items()]
    mounts += [mount("map", path, subPath="key") for path in ("/etc/resolv.conf", "/etc/passwd")]
    looks = " ".join([f"/test/{volume}" for volume in parts] + ["/etc/resolv.conf", "/etc/passwd"])
    script = f"for n in 1 2 3; do for one in {looks}; do cat $one; echo; done; done"
    declared = [{"name": volume, **source} for volume, source in volumes.items()]
    privileged = {"privileged": True}
    containers = [
        container(script, name, volumeMounts=mounts, securityContext=privileged) for name in ("main", "second")
    ]
    space.apply(pod("parts", *containers, volumes=declared, restartPolicy="Never"))
    space.wait_for(".status.phase", "Succeeded", "parts")
    once = [contents[volume] for volume in parts] + ["from the map"] * 2
    for one in ("main", "second"):
        assert space.kubectl("logs", "parts", "-c", one).splitlines() == once * 3


@pytest.mark.conformance("EmptyDir Wrapper Volume, Secret and ConfigMap volumes, no conflict")
def test_a_secret_and_a_config_map_stand_in_one_pod(space: Space) -> None:
    space.apply(config_map("wrapped", key="map"), secret("wrapped", key="secret"))
    volumes = {"map": config("wrapped"), "hidden": secret_of("wrapped")}
    (lines,) = seen(space, [looking("wrapping", "see /map/key /hidden/key", volumes)]).values()
    assert lines == ["/map/key -rw-r--r-- map", "/hidden/key -rw-r--r-- secret"]


@pytest.mark.nightly
@pytest.mark.conformance("EmptyDir Wrapper Volume, ConfigMap volumes, no race")
def test_five_pods_with_fifty_config_maps_each_start(space: Space) -> None:
    names = [f"racey-{number}" for number in range(50)]
    space.apply(*(config_map(name, **{"data-1": "value-1"}) for name in names))
    mounts = [mount(name, f"/etc/config-{name}") for name in names]
    items = [{"key": "data-1", "path": "data-1"}]
    template: Manifest = pod("", container(stay(), volumeMounts=mounts), labels={"app": "racey"})
    template["spec"]["volumes"] = [{"name": name, **config(name, items=items)} for name in names]
    template["metadata"].pop("name")
    del template["apiVersion"], template["kind"]
    spec = {"replicas": 5, "selector": {"app": "racey"}, "template": template}
    space.apply({"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "racey"}, "spec": spec})
    space.wait("--for=jsonpath={.status.readyReplicas}=5", "rc/racey")
    pods = space.get("pods", "-l", "app=racey")["items"]
    assert [one["status"]["phase"] for one in pods] == ["Running"] * 5
    assert sum(status["restartCount"] for one in pods for status in one["status"]["containerStatuses"]) == 0
    first = pods[0]["metadata"]["name"]
    assert space.run(first, "cat /etc/config-racey-*/data-1").count("value-1") == 50
