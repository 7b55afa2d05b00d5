"""Random small clusters and pods: few names and few labels, so that rules meet each other often.

Every strategy gives documents; ``made`` turns them into a reference ``Cluster`` and a world of vector plugins at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from hypothesis import strategies as st

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, storage_v1
from pybernetes.scheduler.pod_info import pod_info
from scheduler.configured import ConfiguredWorld, configuration
from scheduler.reference.world import Cluster

Document = dict[str, Any]
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
OLD_ZONE, HOST = "failure-domain.beta.kubernetes.io/zone", "kubernetes.io/hostname"
KEYS = (HOST, ZONE, "rack")
NAMESPACES = ("default", "other", "third")
IMAGES = ("app", "app:v2", "registry:5000/team/db", "registry:5000/team/db:v1")
MEGABYTE = 1 << 20
FEATURES = ("affinity", "taints", "ports", "resources", "spread", "company", "images", "services", "volumes")


def optional(inner: st.SearchStrategy[Document]) -> st.SearchStrategy[Document]:
    return st.one_of(st.just({}), inner)


labels = st.fixed_dictionaries(
    {}, optional={"app": st.sampled_from(["web", "db"]), "tier": st.sampled_from(["front", "back"])}
)
node_labels = st.fixed_dictionaries(
    {},
    optional={
        ZONE: st.sampled_from(["a", "b", "c"]),
        OLD_ZONE: st.sampled_from(["a", "b"]),
        "rack": st.sampled_from(["1", "2", "10", "x"]),
        "disk": st.sampled_from(["ssd", "hdd"]),
    },
)
taints = st.lists(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["k1", "k2"]),
            "value": st.sampled_from(["", "v"]),
            "effect": st.sampled_from(["NoSchedule", "PreferNoSchedule", "NoExecute"]),
        }
    ),
    max_size=3,
    unique_by=lambda one: (one["key"], one["effect"]),
)
tolerations = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"key": st.sampled_from(["k1", "k2"]), "operator": st.just("Exists")},
            optional={"effect": st.sampled_from(["NoSchedule", "PreferNoSchedule"])},
        ),
        st.fixed_dictionaries(
            {"key": st.sampled_from(["k1", "k2"]), "value": st.sampled_from(["", "v"])},
            optional={"effect": st.sampled_from(["NoSchedule", "NoExecute"]), "operator": st.just("Equal")},
        ),
        st.just({"operator": "Exists", "effect": "NoSchedule"}),
        st.just({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}),
    ),
    max_size=3,
)
label_selectors = st.fixed_dictionaries(
    {},
    optional={
        "matchLabels": labels,
        "matchExpressions": st.lists(
            st.one_of(
                st.fixed_dictionaries(
                    {
                        "key": st.sampled_from(["app", "tier"]),
                        "operator": st.sampled_from(["In", "NotIn"]),
                        "values": st.lists(st.sampled_from(["web", "db", "front"]), min_size=1, max_size=2),
                    }
                ),
                st.fixed_dictionaries(
                    {
                        "key": st.sampled_from(["app", "tier"]),
                        "operator": st.sampled_from(["Exists", "DoesNotExist"]),
                    }
                ),
            ),
            max_size=2,
        ),
    },
)
requirements = st.one_of(
    st.fixed_dictionaries(
        {
            "key": st.sampled_from([ZONE, "rack", "disk"]),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(["a", "b", "1", "ssd", "nowhere"]), min_size=1, max_size=3),
        }
    ),
    st.fixed_dictionaries(
        {"key": st.sampled_from([ZONE, "rack"]), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
    ),
    st.fixed_dictionaries(
        {
            "key": st.just("rack"),
            "operator": st.sampled_from(["Gt", "Lt"]),
            "values": st.sampled_from([["1"], ["2"], ["-1"]]),
        }
    ),
)
fields = st.fixed_dictionaries(
    {
        "key": st.just("metadata.name"),
        "operator": st.sampled_from(["In", "NotIn"]),
        "values": st.sampled_from([["n0"], ["n1"], ["n9"]]),
    }
)
terms = st.fixed_dictionaries(
    {}, optional={"matchExpressions": st.lists(requirements, max_size=2), "matchFields": st.lists(fields, max_size=1)}
)
node_affinities = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.fixed_dictionaries(
            {"nodeSelectorTerms": st.lists(terms, min_size=1, max_size=2)}
        ),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(
            st.fixed_dictionaries({"weight": st.integers(1, 5), "preference": terms}), max_size=2
        ),
    },
)
pod_terms = st.fixed_dictionaries(
    {"topologyKey": st.sampled_from(KEYS)},
    optional={
        "labelSelector": label_selectors,
        "namespaces": st.lists(st.sampled_from(NAMESPACES), max_size=2, unique=True),
        "namespaceSelector": st.sampled_from(
            [{}, {"matchLabels": {"team": "x"}}, {"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}]
        ),
        "matchLabelKeys": st.just(["tier"]),
        "mismatchLabelKeys": st.just(["app"]),
    },
)
weighted_terms = st.fixed_dictionaries({"weight": st.integers(1, 100), "podAffinityTerm": pod_terms})
companies = st.fixed_dictionaries(
    {},
    optional={
        "requiredDuringSchedulingIgnoredDuringExecution": st.lists(pod_terms, max_size=2),
        "preferredDuringSchedulingIgnoredDuringExecution": st.lists(weighted_terms, max_size=2),
    },
)
constraints = st.lists(
    st.fixed_dictionaries(
        {
            "topologyKey": st.sampled_from(KEYS),
            "maxSkew": st.integers(1, 3),
            "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
        },
        optional={
            "labelSelector": label_selectors,
            "minDomains": st.integers(1, 4),
            "nodeAffinityPolicy": st.sampled_from(["Honor", "Ignore"]),
            "nodeTaintsPolicy": st.sampled_from(["Honor", "Ignore"]),
            "matchLabelKeys": st.just(["tier"]),
        },
    ),
    max_size=3,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.sampled_from(["0", "100m", "1", "2", "5"]),
        "memory": st.sampled_from(["128Mi", "1Gi", "3Gi"]),
        "ephemeral-storage": st.sampled_from(["1Gi", "5Gi"]),
        "example.com/gpu": st.sampled_from(["1", "2"]),
        "hugepages-2Mi": st.just("2Mi"),
    },
)
ports = st.lists(
    st.fixed_dictionaries(
        {"containerPort": st.just(80)},
        optional={
            "hostPort": st.sampled_from([80, 81]),
            "protocol": st.sampled_from(["TCP", "UDP"]),
            "hostIP": st.sampled_from(["", "0.0.0.0", "127.0.0.1", "127.0.0.2"]),
        },
    ),
    max_size=2,
)
pod_volumes = st.lists(
    st.one_of(
        st.sampled_from(["c0", "c1", "c2", "c3"]).map(lambda name: {"persistentVolumeClaim": {"claimName": name}}),
        st.fixed_dictionaries(
            {
                "gcePersistentDisk": st.fixed_dictionaries(
                    {"pdName": st.sampled_from(["d1", "d2"])}, optional={"readOnly": st.booleans()}
                )
            }
        ),
        st.just({"awsElasticBlockStore": {"volumeID": "e1"}}),
        st.sampled_from(IMAGES).map(lambda name: {"image": {"reference": name}}),
    ),
    max_size=2,
    unique_by=str,
)


@st.composite
def containers(draw: st.DrawFn, features: Sequence[str], name: str) -> Document:
    made: Document = {"name": name, "image": draw(st.sampled_from(IMAGES)) if "images" in features else "x"}
    if "resources" in features:
        made["resources"] = {"requests": draw(requests)}
    if "ports" in features:
        made["ports"] = draw(ports)
    return made


@st.composite
def pods(draw: st.DrawFn, features: Sequence[str], name: str = "p") -> Document:
    spec: Document = {"containers": [draw(containers(features, "main"))], "affinity": {}}
    metadata = {"name": name, "uid": name, "labels": draw(labels), "namespace": "default"}
    if {"resources", "ports"} & {*features} and draw(st.booleans()):
        spec["initContainers"] = [draw(containers(features, "init"))]
        if draw(st.booleans()):
            spec["initContainers"].insert(0, {**draw(containers(features, "beside")), "restartPolicy": "Always"})
    if "resources" in features:
        spec["overhead"] = draw(st.sampled_from([{}, {"cpu": "250m"}]))
        if draw(st.integers(0, 3)) == 0:
            spec["resources"] = {"requests": draw(st.sampled_from([{"cpu": "1500m"}, {"cpu": "3", "memory": "1Gi"}]))}
    if "affinity" in features:
        spec["nodeSelector"] = draw(st.sampled_from([{}, {}, {"disk": "ssd"}, {ZONE: "a"}]))
        spec["affinity"]["nodeAffinity"] = draw(node_affinities)
    if "taints" in features:
        spec["tolerations"] = draw(tolerations)
    if "spread" in features:
        spec["topologySpreadConstraints"] = draw(constraints)
    if "company" in features:
        metadata["namespace"] = draw(st.sampled_from(NAMESPACES))
        spec["affinity"]["podAffinity"] = draw(optional(companies))
        spec["affinity"]["podAntiAffinity"] = draw(optional(companies))
    if "volumes" in features or "images" in features:
        volumes = draw(pod_volumes)
        spec["volumes"] = [{"name": f"v{number}", **one} for number, one in enumerate(volumes)]
    return {"metadata": metadata, "spec": spec}


@st.composite
def placed_pods(draw: st.DrawFn, features: Sequence[str], number: int, nodes: int) -> Document:
    one = draw(pods(features, f"placed-{number}"))
    one["spec"]["nodeName"] = f"n{draw(st.integers(0, nodes))}"
    if draw(st.integers(0, 4)) == 0:
        one["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return one


@st.composite
def nodes(draw: st.DrawFn, features: Sequence[str], name: str) -> Document:
    allocatable = {
        "cpu": draw(st.sampled_from(["4", "2500m", "0"])),
        "memory": draw(st.sampled_from(["4Gi", "8Gi"])),
        "pods": draw(st.sampled_from(["110", "2"])),
    }
    status: Document = {"allocatable": allocatable}
    spec: Document = {}
    if "resources" in features:
        allocatable |= draw(st.sampled_from([{}, {"example.com/gpu": "3", "ephemeral-storage": "8Gi"}]))
        allocatable |= draw(st.sampled_from([{}, {"hugepages-2Mi": "4Mi"}]))
    if "taints" in features:
        spec = {"taints": draw(taints), "unschedulable": draw(st.integers(0, 4)) == 0}
    if "images" in features:
        some = draw(st.lists(st.sampled_from(["app:latest", "app:v2", "registry:5000/team/db:v1"]), unique=True))
        sizes = {
            "app:latest": 300 * MEGABYTE,
            "app:v2": 700 * MEGABYTE + 1,
            "registry:5000/team/db:v1": 2000 * MEGABYTE,
        }
        status["images"] = [{"names": [one, f"{one}@digest"], "sizeBytes": sizes[one]} for one in some]
    host = {HOST: name} if draw(st.integers(0, 5)) else {}
    return {"metadata": {"name": name, "labels": {**host, **draw(node_labels)}}, "spec": spec, "status": status}


@st.composite
def clusters(draw: st.DrawFn, features: Sequence[str]) -> Document:
    count = draw(st.integers(1, 5))
    cluster: Document = {
        "nodes": [draw(nodes(features, f"n{number}")) for number in range(count)],
        # One node more than there are: pods may be on nodes that are not known.
        "pods": [draw(placed_pods(features, number, count)) for number in range(draw(st.integers(0, 6)))],
    }
    if "services" in features:
        selectors = draw(st.lists(labels, max_size=2))
        cluster["services"] = [
            {"metadata": {"name": f"s{number}", "namespace": "default"}, "spec": {"selector": selector}}
            for number, selector in enumerate(selectors)
        ]
    if "volumes" in features:
        cluster |= draw(storage())
    return cluster


@st.composite
def storage(draw: st.DrawFn) -> Document:
    some_claims = [draw(claims(f"c{number}")) for number in range(draw(st.integers(2, 4)))]
    some_volumes = [draw(volumes(f"v{number}")) for number in range(draw(st.integers(1, 4)))]
    drivers = [{"name": "csi.example.com", "nodeID": "x", "allocatable": {"count": draw(st.integers(0, 2))}}]
    csi_nodes = [{"metadata": {"name": name}, "spec": {"drivers": drivers}} for name in ("n0", "n1")]
    attached = [
        {
            "metadata": {"name": f"a-{name}"},
            "spec": {"attacher": "csi.example.com", "nodeName": "n0", "source": {"persistentVolumeName": name}},
        }
        for name in draw(st.lists(st.sampled_from(["v0", "v1"]), max_size=2, unique=True))
    ]
    classes = [
        {"metadata": {"name": "late"}, "provisioner": "csi.example.com", "volumeBindingMode": "WaitForFirstConsumer"},
        {"metadata": {"name": "now"}, "provisioner": "csi.example.com", "volumeBindingMode": "Immediate"},
        {
            "metadata": {"name": "local"},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        {
            "metadata": {"name": "zoned"},
            "provisioner": "csi.example.com",
            "volumeBindingMode": "WaitForFirstConsumer",
            "allowedTopologies": [{"matchLabelExpressions": [{"key": ZONE, "values": ["a"]}]}],
        },
    ]
    return {
        "claims": some_claims,
        "volumes": some_volumes,
        "csi_nodes": csi_nodes,
        "attachments": attached,
        "classes": classes,
    }


@st.composite
def claims(draw: st.DrawFn, name: str) -> Document:
    """Mostly bound or waiting for their first consumer, as claims of pods usually are."""
    modes = [draw(st.sampled_from(["ReadWriteOnce", "ReadWriteOncePod", "ReadWriteMany"]))]
    wanted = {"requests": {"storage": draw(st.sampled_from(["1Gi", "5Gi"]))}}
    metadata: Document = {"name": name, "namespace": "default", "uid": name}
    spec: Document = {"accessModes": modes, "resources": wanted}
    kind = draw(st.integers(0, 9))
    if kind < 5:
        spec["volumeName"] = draw(st.sampled_from(["v0", "v1", "v2", "v0", "v9"]))
        metadata["annotations"] = {"pv.kubernetes.io/bind-completed": "yes"}
    else:
        names = ["late", "local", "zoned", "late", "now", ""]
        spec["storageClassName"] = names[draw(st.integers(0, len(names) - 1))]
        if kind == 9:
            metadata["annotations"] = {"volume.kubernetes.io/selected-node": "n0"}
    return {"metadata": metadata, "spec": spec, "status": {"phase": draw(st.sampled_from(["Bound"] * 9 + ["Lost"]))}}


@st.composite
def volumes(draw: st.DrawFn, name: str) -> Document:
    metadata: Document = {"name": name, "labels": {}}
    if draw(st.booleans()):
        metadata["labels"] = draw(
            st.sampled_from([{ZONE: "a"}, {ZONE: "a__b"}, {OLD_ZONE: "b"}, {OLD_ZONE: "a__"}, {"rack": "1"}])
        )
    spec: Document = {
        "capacity": {"storage": draw(st.sampled_from(["2Gi", "10Gi"]))},
        "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
        "storageClassName": draw(st.sampled_from(["local", "late"])),
        "csi": {"driver": "csi.example.com", "volumeHandle": draw(st.sampled_from(["h0", "h1", "h2"]))},
    }
    if draw(st.booleans()):
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [{"matchExpressions": [draw(requirements)]}]}}
    return {"metadata": metadata, "spec": spec, "status": {"phase": "Available"}}


def made(document: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[ConfiguredWorld, Cluster]:
    """The same cluster for both sides. ``settings`` is a profile of the configuration."""
    cluster = Cluster(
        nodes=msgspec.convert(document["nodes"], list[core_v1.Node]),
        placed=msgspec.convert(document["pods"], list[core_v1.Pod]),
        namespaces={"default": {}, "other": {"team": "x"}, "third": {"team": "y"}},
        services=msgspec.convert(document.get("services", []), list[core_v1.Service]),
        claims=msgspec.convert(document.get("claims", []), list[core_v1.PersistentVolumeClaim]),
        volumes=msgspec.convert(document.get("volumes", []), list[core_v1.PersistentVolume]),
        classes=msgspec.convert(document.get("classes", []), list[storage_v1.StorageClass]),
        csi_nodes=msgspec.convert(document.get("csi_nodes", []), list[storage_v1.CSINode]),
        attachments=msgspec.convert(document.get("attachments", []), list[storage_v1.VolumeAttachment]),
    )
    return world_of(cluster, settings), cluster


def world_of(cluster: Cluster, settings: Mapping[str, Any]) -> ConfiguredWorld:
    world = ConfiguredWorld(configuration(settings))
    state = world.state
    for name, its_labels in cluster.namespaces.items():
        state.set_namespace(name, its_labels)
    for node in cluster.nodes:
        state.set_node(node)
    for pod in cluster.placed:
        world.place(pod_info(pod), pod.spec.node_name or "")
    for service in cluster.services:
        world.workloads.set_service(
            service.metadata.namespace, service.metadata.name, dict(service.spec.selector or {})
        )
    for claim in cluster.claims:
        state.storage.claims[Key(claim.metadata.namespace, claim.metadata.name)] = claim
    state.storage.volumes.update({one.metadata.name: one for one in cluster.volumes})
    state.storage.classes.update({one.metadata.name: one for one in cluster.classes})
    state.storage.csi_nodes.update({one.metadata.name: one for one in cluster.csi_nodes})
    for attachment in cluster.attachments:
        state.storage.set_attachment(None, attachment)
    return world
