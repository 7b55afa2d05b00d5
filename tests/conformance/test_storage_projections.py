"""Config maps, secrets and facts about the pod as files of real containers: contents, paths, modes, owners."""

from __future__ import annotations

import base64

import pytest

from conformance.looking import config, item, looking, projected, secret_of, seen
from e2e.cluster import UserCluster
from e2e.space import Manifest, Space, config_map, secret

pytestmark = pytest.mark.node

PLAIN, OWNER, GROUP = "-rw-r--r--", "-r--------", "-r--r-----"
MAPPED = [item("data-2", "path/to/data-2")]
MAPPED_0400 = [item("data-2", "path/to/data-2", mode=0o400)]
DATA = {"data-1": "value-1", "data-2": "value-2", "data-3": "value-3"}


def part(kind: str, **more: object) -> Manifest:
    """The same as a source of a projected volume."""
    return {kind: {"name": "data", **more}}


@pytest.mark.conformance(
    "ConfigMap Volume, without mapping",
    "ConfigMap Volume, without mapping, volume mode set",
    "ConfigMap Volume, with mapping",
    "ConfigMap Volume, with mapping, volume mode set",
    "ConfigMap Volume, multiple volume maps",
    "ConfigMap Volume, without mapping, non-root user",
    "ConfigMap Volume, with mapping, non-root user",
    "Projected Volume, ConfigMap, volume mode default",
    "Projected Volume, ConfigMap, volume mode 0400",
    "Projected Volume, ConfigMap, mapped",
    "Projected Volume, ConfigMap, mapped, volume mode 0400",
    "Projected Volume, ConfigMap, multiple volume paths",
    "Projected Volume, ConfigMap, non-root user",
    "Projected Volume, ConfigMap, mapped, non-root user",
    "Secrets Volume, default",
    "Secrets Volume, volume mode 0400",
    "Secrets Volume, mapping",
    "Secrets Volume, mapping, volume mode 0400",
    "Secrets Volume, mapping multiple volume paths",
    "Projected Volume, Secrets, volume mode default",
    "Projected Volume, Secrets, volume mode 0400",
    "Projected Volume, Secrets, mapped",
    "Projected Volume, Secrets, mapped, volume mode 0400",
    "Projected Volume, Secrets, mapped, multiple paths",
)
@pytest.mark.parametrize("user", [0, 1000])
def test_keys_are_files_with_the_modes_and_at_the_paths_that_are_asked_for(space: Space, user: int) -> None:
    space.apply(config_map("data", **DATA), secret("data", **DATA))
    sources = {
        "map": config("data"),
        "map-mapped": config("data", items=MAPPED),
        "map-again": config("data"),
        "hidden": secret_of("data"),
        "hidden-mapped": secret_of("data", items=MAPPED),
        "hidden-again": secret_of("data"),
    }
    if user == 0:
        sources |= {
            "map-0400": config("data", defaultMode=0o400),
            "map-mapped-0400": config("data", items=MAPPED_0400),
            "hidden-0400": secret_of("data", defaultMode=0o400),
            "hidden-mapped-0400": secret_of("data", items=MAPPED_0400),
        }
    for kind, short in (("configMap", "map"), ("secret", "hidden")):
        sources[f"p-{short}"] = projected(part(kind))
        sources[f"p-{short}-mapped"] = projected(part(kind, items=MAPPED))
        sources[f"p-{short}-again"] = projected(part(kind))
        if user == 0:
            sources[f"p-{short}-0400"] = projected(part(kind), defaultMode=0o400)
            sources[f"p-{short}-mapped-0400"] = projected(part(kind, items=MAPPED_0400))
    script = "id -u; " + "".join(
        f"see /{name}/{'path/to/data-2' if 'mapped' in name else 'data-1'}; ls /{name};" for name in sources
    )
    pods = [looking("looking", script, sources, securityContext={"runAsUser": user})]
    (lines,) = seen(space, pods).values()
    expected = [str(user)]
    for name in sources:
        mode = OWNER if "0400" in name else PLAIN
        if "mapped" in name:
            expected += [f"/{name}/path/to/data-2 {mode} value-2", "path"]
        else:
            expected += [f"/{name}/data-1 {mode} value-1", "data-1", "data-2", "data-3"]
    assert lines == expected


@pytest.mark.conformance(
    "Secrets Volume, volume mode 0440, fsGroup 1001 and uid 1000",
    "Project Volume, Secrets, non-root, custom fsGroup",
)
def test_a_pods_group_reads_what_others_may_not(space: Space) -> None:
    space.apply(secret("data", **DATA))
    sources = {
        "hidden": secret_of("data", defaultMode=0o440),
        "p-hidden": projected(part("secret"), defaultMode=0o440),
    }
    context = {"runAsUser": 1000, "fsGroup": 1001}
    script = "id -u; id -G; see /hidden/data-1 /p-hidden/data-1; stat -Lc '%u %g' /hidden/data-1"
    (lines,) = seen(space, [looking("looking", script, sources, securityContext=context)]).values()
    assert lines == [
        "1000",
        "0 1001",
        f"/hidden/data-1 {GROUP} value-1",
        f"/p-hidden/data-1 {GROUP} value-1",
        "0 1001",
    ]


@pytest.mark.conformance("Secrets Volume, volume mode default, secret with same name in different namespace")
def test_a_secret_is_that_of_the_pods_own_namespace(space: Space, shared_cluster: UserCluster) -> None:
    other = Space(shared_cluster, f"{space.name}-other")
    other.create()
    other.apply(secret("data", **{"data-1": "another"}))
    space.apply(secret("data", **DATA))
    (lines,) = seen(space, [looking("looking", "see /hidden/data-1", {"hidden": secret_of("data")})]).values()
    assert lines == [f"/hidden/data-1 {PLAIN} value-1"]
    shared_cluster.kubectl("delete", "namespace", other.name, "--wait=false")


@pytest.mark.conformance("ConfigMap Volume, text data, binary data")
def test_a_config_map_carries_bytes_beside_text(space: Space) -> None:
    content = bytes(range(256)) + b"\xde\xca\xfe\x00"
    manifest = config_map("data", **DATA) | {"binaryData": {"dump.bin": base64.b64encode(content).decode()}}
    space.apply(manifest)
    script = "see /map/data-1; od -An -v -tx1 /map/dump.bin | tr -d ' \\n'"
    (lines,) = seen(space, [looking("looking", script, {"map": config("data")})]).values()
    assert lines == [f"/map/data-1 {PLAIN} value-1", content.hex()]


FACTS = {
    "cpu_limit": ("limits.cpu", "1m", "1250"),
    "cpu_request": ("requests.cpu", "1m", "250"),
    "memory_limit": ("limits.memory", "1Mi", "64"),
    "memory_request": ("requests.memory", "1Mi", "32"),
    "cpu_limit_whole": ("limits.cpu", "0", "2"),
    "memory_request_bytes": ("requests.memory", "0", str(32 << 20)),
}


def facts(container: str = "main", **modes: int) -> list[Manifest]:
    name = {"path": "podname", "fieldRef": {"fieldPath": "metadata.name"}, **modes}
    amounts = [
        {"path": path, "resourceFieldRef": {"containerName": container, "resource": resource, "divisor": divisor}}
        for path, (resource, divisor, _) in FACTS.items()
    ]
    return [name, *amounts]


@pytest.mark.conformance(
    "DownwardAPI volume, pod name",
    "DownwardAPI volume, volume mode 0400",
    "DownwardAPI volume, file mode 0400",
    "DownwardAPI volume, CPU limits",
    "DownwardAPI volume, CPU request",
    "DownwardAPI volume, memory limits",
    "DownwardAPI volume, memory request",
    "Projected Volume, DownwardAPI, pod name",
    "Projected Volume, DownwardAPI, volume mode 0400",
    "Projected Volume, DownwardAPI, CPU limits",
    "Projected Volume, DownwardAPI, CPU request",
    "Projected Volume, DownwardAPI, memory limits",
    "Projected Volume, DownwardAPI, memory request",
)
def test_a_pod_reads_its_name_and_what_it_has_asked_for(space: Space) -> None:
    sources = {
        "about": {"downwardAPI": {"items": facts()}},
        "about-0400": {"downwardAPI": {"items": facts(), "defaultMode": 0o400}},
        "about-item": {"downwardAPI": {"items": facts(mode=0o400)}},
        "p-about": projected({"downwardAPI": {"items": facts()}}),
        "p-about-0400": projected({"downwardAPI": {"items": facts()}}, defaultMode=0o400),
        "p-about-item": projected({"downwardAPI": {"items": facts(mode=0o400)}}),
    }
    paths = ["podname", *FACTS]
    script = "".join(f"see {' '.join(f'/{name}/{path}' for path in paths)};" for name in sources)
    resources = {"limits": {"cpu": "1250m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}
    (lines,) = seen(space, [looking("looking", script, sources, resources=resources)]).values()
    values = {"podname": "looking"} | {path: value for path, (_, _, value) in FACTS.items()}
    expected = []
    for name in sources:
        for path, value in values.items():
            closed = "0400" in name or ("item" in name and path == "podname")
            expected.append(f"/{name}/{path} {OWNER if closed else PLAIN} {value}")
    assert lines == expected


@pytest.mark.conformance(
    "DownwardAPI volume, CPU limit, default node allocatable",
    "DownwardAPI volume, memory limit, default node allocatable",
    "Projected Volume, DownwardAPI, CPU limit, node allocatable",
    "Projected Volume, DownwardAPI, memory limit, node allocatable",
)
def test_a_pod_without_limits_reads_what_its_node_can_give(space: Space) -> None:
    limits = [
        {"path": path, "resourceFieldRef": {"containerName": "main", "resource": f"limits.{path}"}}
        for path in ("cpu", "memory")
    ]
    sources = {"about": {"downwardAPI": {"items": limits}}, "p-about": projected({"downwardAPI": {"items": limits}})}
    script = "see /about/cpu /about/memory /p-about/cpu /p-about/memory"
    (lines,) = seen(space, [looking("looking", script, sources)]).values()
    given = space.cluster.get("nodes")["items"][0]["status"]["allocatable"]
    memory = int(given["memory"].removesuffix("Ki")) << 10
    amounts = {"cpu": given["cpu"], "memory": str(memory)}
    assert lines == [f"/{at}/{what} {PLAIN} {amounts[what]}" for at in sources for what in amounts]


@pytest.mark.conformance("Projected Volume, multiple projections")
def test_one_directory_has_what_several_sources_say(space: Space) -> None:
    space.apply(config_map("data", **{"configmap-data": "from the map"}), secret("data", **{"secret-data": "hidden"}))
    source = projected(
        {"downwardAPI": {"items": facts()}},
        part("secret", items=[item("secret-data", "my-group/my-username")]),
        part("configMap", items=[item("configmap-data", "my-group/my-config")]),
    )
    resources = {"limits": {"cpu": "1250m", "memory": "64Mi"}, "requests": {"cpu": "250m", "memory": "32Mi"}}
    script = f"cd /all; see podname {' '.join(FACTS)} my-group/my-username my-group/my-config; ls"
    (lines,) = seen(space, [looking("looking", script, {"all": source}, resources=resources)]).values()
    assert lines == [
        f"podname {PLAIN} looking",
        *(f"{path} {PLAIN} {value}" for path, (_, _, value) in FACTS.items()),
        f"my-group/my-username {PLAIN} hidden",
        f"my-group/my-config {PLAIN} from the map",
        *sorted([*FACTS, "my-group", "podname"]),
    ]
