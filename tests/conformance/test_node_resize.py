"""Resources of running pods that are changed in place: what the status says, and what the kernel has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from conformance.pods_client import Pods, Refused, condition
from e2e.space import Manifest, Space, container, pod, stay
from pybernetes.api import quantity

pytestmark = pytest.mark.node

Sizes = Mapping[str, tuple[str, str, str, str]]
"""By container: requests of cpu and memory, limits of cpu and memory; empty is none."""

V2 = Path("/sys/fs/cgroup/cgroup.controllers").exists()


def resources(sizes: tuple[str, str, str, str]) -> Manifest:
    cpu, memory, cpu_limit, memory_limit = sizes
    requests = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    limits = {name: value for name, value in (("cpu", cpu_limit), ("memory", memory_limit)) if value}
    return {key: value for key, value in (("requests", requests), ("limits", limits)) if value}


def equal(cpu: str, memory: str) -> tuple[str, str, str, str]:
    return cpu, memory, cpu, memory


def sized(name: str, sizes: Sizes) -> Manifest:
    return pod(name, *(container(stay(), one, resources=resources(wanted)) for one, wanted in sizes.items()))


def resize(sizes: Sizes) -> Manifest:
    return {"spec": {"containers": [{"name": one, "resources": resources(wanted)} for one, wanted in sizes.items()]}}


def is_as_wanted(found: Manifest, sizes: Sizes) -> bool:
    """Spec and status show the sizes, and nothing is left to do."""
    spec = {one["name"]: one.get("resources", {}) for one in found["spec"]["containers"]}
    statuses = {one["name"]: one for one in found["status"].get("containerStatuses", [])}
    return (
        not any(condition(found, f"PodResize{word}") for word in ("Pending", "InProgress"))
        and found["status"].get("observedGeneration") == found["metadata"]["generation"]
        and all(
            spec[one] == resources(wanted)
            and statuses[one]["resources"] == resources(wanted)
            and statuses[one].get("allocatedResources", {}) == resources(wanted).get("requests", {})
            for one, wanted in sizes.items()
        )
    )


def assert_kernel_has(pods: Pods, name: str, sizes: Sizes) -> None:
    for one, (cpu, _, cpu_limit, memory_limit) in sizes.items():
        shares = max(2, quantity.milli(cpu or cpu_limit or "0") * 1024 // 1000)
        quota = max(1000, quantity.milli(cpu_limit) * 100) if cpu_limit else -1
        memory = quantity.value(memory_limit) if memory_limit else None
        if V2:
            files = "cpu.weight cpu.max memory.max"
            wanted = [str(1 + (shares - 2) * 9999 // 262142), "max" if quota < 0 else str(quota), "100000"]
            wanted.append("max" if memory is None else str(memory))
        else:
            files = "cpu/cpu.shares cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes"
            wanted = [str(shares), str(quota), str(memory) if memory is not None else "9223372036854771712"]
        assert pods.run(name, f"cd /sys/fs/cgroup; cat {files}", one).split() == wanted, (one, files)


Plan = tuple[Sizes, Sizes]
"""How a pod starts, and what it is brought to."""


def resized(space: Space, plans: Mapping[str, Plan]) -> dict[str, Manifest]:
    """Pods that are brought from the one to the other without a restart, and back again where that is allowed."""
    pods = Pods(space)
    for name, (before, _) in plans.items():
        pods.create(sized(name, before))
    for name in plans:
        pods.ready(name)
    first = {name: pods.until(name, lambda pod: is_as_wanted(pod, before)) for name, (before, _) in plans.items()}  # noqa: B023
    for name, (before, after) in plans.items():
        assert_kernel_has(pods, name, before)
        pods.patch(name, resize(after), subresource="resize")
    found = {name: _settled(pods, name, after, first[name]) for name, (_, after) in plans.items()}
    for name, (before, after) in plans.items():
        if not _adds(before, after):
            pods.patch(name, resize(before), subresource="resize")
            found[name] = _settled(pods, name, before, first[name])
    return found


def _settled(pods: Pods, name: str, wanted: Sizes, first: Manifest) -> Manifest:
    found = pods.until(name, lambda pod: is_as_wanted(pod, wanted))
    assert_kernel_has(pods, name, wanted)
    assert found["status"]["allocatedResources"] == _together(wanted)
    statuses, began = found["status"]["containerStatuses"], first["status"]["containerStatuses"]
    assert [one["restartCount"] for one in statuses] == [0] * len(wanted)
    assert [one["containerID"] for one in statuses] == [one["containerID"] for one in began]
    assert found["status"]["qosClass"] == first["status"]["qosClass"]
    return found


def _together(sizes: Sizes) -> dict[str, str]:
    """What all containers request."""
    cpu = sum(quantity.milli(one[0] or one[2] or "0") for one in sizes.values())
    memory = sum(quantity.value(one[1] or one[3] or "0") for one in sizes.values())
    return {"cpu": f"{cpu}m", **({"memory": f"{memory >> 20}Mi"} if memory else {})}


def _adds(before: Sizes, after: Sizes) -> bool:
    """What has been added may not be taken away again."""
    return any(not was and now for one in before for was, now in zip(before[one], after[one], strict=True))


@pytest.mark.conformance(
    "In-place Pod Resize, guaranteed pods with multiple containers, net increase",
    "In-place Pod Resize, guaranteed pods with multiple containers, net decrease",
    "In-place Pod Resize, guaranteed pods with multiple containers, various operations",
)
def test_guaranteed_containers_grow_and_shrink_together(space: Space) -> None:
    before = {one: equal("20m", "30Mi") for one in ("c1", "c2", "c3")}
    wanted = {
        "increase": (("30m", "40Mi"), ("30m", "40Mi"), ("15m", "20Mi")),
        "decrease": (("30m", "40Mi"), ("15m", "20Mi"), ("15m", "20Mi")),
        "various": (("30m", "30Mi"), ("15m", "40Mi"), ("30m", "40Mi")),
    }
    plans = {
        name: (before, {one: equal(*size) for one, size in zip(before, sizes, strict=True)})
        for name, sizes in wanted.items()
    }
    together = _together(before)
    for found in resized(space, plans).values():
        assert found["status"]["qosClass"] == "Guaranteed"
        assert found["status"]["resources"] == {"requests": together, "limits": together}
    space.cluster.until("the end of a resize", lambda: "ResizeCompleted" in space.events("increase"))


@pytest.mark.conformance(
    "In-place Pod Resize, burtable pod with multiple containers and various operations",
    "In-place Pod Resize, burstable pod resized with equivalents",
)
def test_six_burstable_containers_are_resized_each_in_its_own_way(space: Space) -> None:
    before = {
        "c1": ("20m", "20Mi", "40m", "40Mi"),
        "c2": ("20m", "20Mi", "40m", "40Mi"),
        "c3": ("20m", "20Mi", "40m", "40Mi"),
        "c4": ("20m", "20Mi", "", ""),
        "c5": ("20m", "", "", ""),
        "c6": ("", "", "", ""),
    }
    after = {
        "c1": ("30m", "20Mi", "50m", "40Mi"),
        "c2": ("10m", "30Mi", "20m", "50Mi"),
        "c3": ("20m", "20Mi", "40m", "40Mi"),
        "c4": ("20m", "20Mi", "50m", "60Mi"),
        "c5": ("30m", "20Mi", "40m", "50Mi"),
        "c6": ("20m", "20Mi", "40m", "40Mi"),
    }
    same_to_the_kernel: Plan = ({"c1": ("2m", "", "10m", "")}, {"c1": ("1m", "", "5m", "")})
    for found in resized(space, {"burstable": (before, after), "equivalent": same_to_the_kernel}).values():
        assert found["status"]["qosClass"] == "Burstable"


@pytest.mark.conformance("In-place Pod Resize, read and replace endpoints")
def test_a_pod_is_resized_by_replacing_it_at_its_resize_endpoint(space: Space) -> None:
    pods = Pods(space)
    before, after = {"c1": equal("20m", "30Mi")}, {"c1": equal("30m", "40Mi")}
    pods.create(sized("replaced", before))
    pods.ready("replaced")
    pods.until("replaced", lambda pod: pods.get("replaced", "resize") == pod)

    def grow(pod: Manifest) -> None:
        pod["spec"]["containers"][0]["resources"] = resources(after["c1"])

    answer = pods.change("replaced", grow, "resize")
    assert answer["metadata"]["generation"] == 2
    pods.until("replaced", lambda pod: is_as_wanted(pod, after))
    assert_kernel_has(pods, "replaced", after)
    pods.until("replaced", lambda pod: pods.get("replaced", "resize") == pod)
    with pytest.raises(Refused, match="node didn't have enough allocatable resources: memory"):
        pods.patch("replaced", resize({"c1": equal("30m", "900Gi")}), subresource="resize")
