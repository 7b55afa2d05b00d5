"""Volumes that follow what they show, with real containers."""

from __future__ import annotations

import json

import pytest

from conformance.looking import config, item, projected, secret_of
from e2e.space import Manifest, Space, config_map, container, mount, pod, secret, stay

pytestmark = pytest.mark.node

VALUE = {"data-1": "value-1"}
CHANGED = {"data-3": "value-3"}


def optional(prefix: str, kind: str) -> dict[str, Manifest]:
    """A volume per object that is to be created, changed, deleted: as a volume of its kind, and as a projected one."""
    sources: dict[str, Manifest] = {}
    for what in ("create", "update", "delete"):
        name = f"{kind.lower()}-{what}"
        own = config(name, optional=True) if kind == "configMap" else secret_of(name, optional=True)
        sources[f"{prefix}-{what}"] = own
        sources[f"p-{prefix}-{what}"] = projected({kind: {"name": name, "optional": True}})
    return sources


def contents(space: Space, pod_name: str, *paths: str) -> dict[str, str]:
    """What can be read, by path; a file that is not there is ``absent``."""
    script = f"for one in {' '.join(paths)}; do echo $one $(cat $one 2>/dev/null || echo absent); done"
    return dict(line.split(" ", 1) for line in space.run(pod_name, script).splitlines())


@pytest.mark.conformance(
    "ConfigMap Volume, create, update and delete",
    "Projected Volume, ConfigMap, create, update and delete",
    "Secrets Volume, create, update and delete",
    "Projected Volume, Secrets, create, update delete",
    "ConfigMap Volume, update",
    "Projected Volume, ConfigMap, update",
)
def test_volumes_follow_the_creation_change_and_deletion_of_what_they_show(space: Space) -> None:
    makers = {"configMap": config_map, "secret": secret}
    space.apply(
        *(make(f"{kind.lower()}-{what}", **VALUE) for kind, make in makers.items() for what in ("update", "delete")),
        config_map("plain", **VALUE),
    )
    mapped = [item("data-1", "path/to/data-1")]
    sources = optional("map", "configMap") | optional("hidden", "secret")
    sources |= {
        "plain": config("plain"),
        "mapped": config("plain", items=mapped),
        "p-plain": projected({"configMap": {"name": "plain"}}),
    }
    mounts = [mount(name, f"/{name}") for name in sources]
    declared = [{"name": name, **source} for name, source in sources.items()]
    space.start(pod("following", container(stay(), volumeMounts=mounts), volumes=declared))
    prefixes = ("map", "p-map", "hidden", "p-hidden")
    plain = ["/plain/data-1", "/p-plain/data-1", "/mapped/path/to/data-1"]
    paths = [f"/{one}-{what}/data-1" for one in prefixes for what in ("create", "update", "delete")]
    paths += [f"/{one}-update/data-3" for one in prefixes] + plain
    before = {path: "absent" if "create" in path or "data-3" in path else "value-1" for path in paths}
    assert contents(space, "following", *paths) == before
    space.apply(
        *(make(f"{kind.lower()}-create", **VALUE) for kind, make in makers.items()),
        config_map("plain", **{"data-1": "2"}),
    )
    for kind in makers:
        space.kubectl("delete", kind, f"{kind.lower()}-delete")
        space.kubectl("replace", "-f", "-", text=json.dumps(makers[kind](f"{kind.lower()}-update", **CHANGED)))
    after = {
        path: "value-1" if "create" in path else "value-3" if "data-3" in path else "2" if path in plain else "absent"
        for path in paths
    }
    space.cluster.until("the changes", lambda: contents(space, "following", *paths) == after, seconds=90)
    status = space.status("following")
    assert (status["ready"], status["restartCount"]) == (True, 0)


@pytest.mark.conformance(
    "DownwardAPI volume, update label",
    "DownwardAPI volume, update annotations",
    "Projected Volume, DownwardAPI, update labels",
    "Projected Volume, DownwardAPI, update annotation",
)
def test_files_follow_the_pods_labels_and_annotations(space: Space) -> None:
    items = [{"path": what, "fieldRef": {"fieldPath": f"metadata.{what}"}} for what in ("labels", "annotations")]
    sources = {"about": {"downwardAPI": {"items": items}}, "p-about": projected({"downwardAPI": {"items": items}})}
    mounts = [mount(name, f"/{name}") for name in sources]
    declared = [{"name": name, **source} for name, source in sources.items()]
    manifest = pod("self", container(stay(), volumeMounts=mounts), labels={"key1": "value1"}, volumes=declared)
    manifest["metadata"]["annotations"] = {"builder": "bar"}
    space.start(manifest)

    def shown(what: str) -> list[set[str]]:
        return [set(space.run("self", f"cat /{name}/{what}").splitlines()) for name in sources]

    assert shown("labels") == [{'key1="value1"'}] * 2
    assert [{'builder="bar"'} <= lines for lines in shown("annotations")] == [True, True]
    space.kubectl("label", "pod", "self", "key3=value3")
    space.cluster.until("the label", lambda: shown("labels") == [{'key1="value1"', 'key3="value3"'}] * 2, seconds=90)
    space.kubectl("annotate", "pod", "self", "builder=foo", "--overwrite")
    space.cluster.until(
        "the annotation", lambda: all('builder="foo"' in lines for lines in shown("annotations")), seconds=90
    )
