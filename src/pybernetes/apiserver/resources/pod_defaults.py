"""The defaults of a pod's spec, shared by pods and by every kind that has a pod template.

Follows pkg/apis/core/v1/defaults.go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

import msgspec

from pybernetes.api.features import GENERIC_WORKLOAD
from pybernetes.api.models.core_v1 import Volume
from pybernetes.api.quantity import ZERO, Quantity, parse
from pybernetes.api.resource_names import HUGEPAGES
from pybernetes.apiserver import features
from pybernetes.apiserver.resources.defaults import (
    Defaults,
    Document,
    OverZero,
    Rule,
    Table,
    WhenAbsent,
    compile_defaults,
    under,
)
from pybernetes.apiserver.validation.resources import POD_RESOURCES

_IMAGE = re.compile(
    r"(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*"
    r"(?::[0-9]+)?/)?[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?"
)


_LONGEST_NAME = 255


@lru_cache(maxsize=1024)
def _pull_policy(image: str) -> str:
    found = _IMAGE.fullmatch(image)
    if found is None or len(image) - len(found["tag"] or "") - len(found["digest"] or "") > _LONGEST_NAME:
        return "IfNotPresent"
    tag = found["tag"] or ("" if found["digest"] else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def pull_policy(holder: Document, image_field: str = "image") -> str:
    """Always for the tag `latest`, said or implied; a digest or another tag names something that does not change.

    What is no name of an image has no tag."""
    return _pull_policy(holder.get(image_field) or "")


def image_volume_pull_policy(source: Document) -> str:
    return pull_policy(source, "reference")


def requests_from_limits(resources: Document) -> None:
    limits = resources.get("limits")
    if limits:
        resources["requests"] = {**limits, **resources.get("requests", {})}


def drop_disabled(spec: Document) -> None:
    """Fields of features that are off: ContainerStopSignals, ClusterTrustBundleProjection, PodCertificateRequest and,
    unless it is turned on, GenericWorkload."""
    for name in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(name, ()):
            if "lifecycle" in container:
                _drop_stop_signal(container)
    for volume in spec.get("volumes", ()):
        for source in volume.get("projected", {}).get("sources", ()):
            source.pop("clusterTrustBundle", None)
            source.pop("podCertificate", None)
    if not features.is_on(GENERIC_WORKLOAD):
        spec.pop("schedulingGroup", None)


def _drop_stop_signal(container: Document) -> None:
    lifecycle = container["lifecycle"]
    if lifecycle.pop("stopSignal", None) is not None and not lifecycle:
        del container["lifecycle"]


def drops_below(path: str) -> Defaults:
    """For a kind that has a pod's spec at the path."""
    return compile_defaults({path: Rule(drop_disabled)})


def no_negative_grace(spec: Document) -> None:
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        spec["terminationGracePeriodSeconds"] = 1


VOLUME_SOURCES = tuple(field.encode_name for field in msgspec.structs.fields(Volume) if field.name != "name")


def volume_without_source(volume: Document) -> None:
    if len(volume) == 1 or not any(source in volume for source in VOLUME_SOURCES):
        volume["emptyDir"] = {}


def host_network_ports(spec: Document) -> None:
    """On the host's network a container port is a host port."""
    if not spec.get("hostNetwork"):
        return
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        for port in container.get("ports", ()):
            if not port.get("hostPort") and port.get("containerPort"):
                port["hostPort"] = port["containerPort"]


def alias_service_account(spec: Document) -> None:
    """`serviceAccount` is the older name of `serviceAccountName`; both are kept."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


HTTP_GET: Table = {"path": "/", "scheme": "HTTP"}

PROBE: Table = {
    "timeoutSeconds": OverZero(1),
    "periodSeconds": OverZero(10),
    "successThreshold": OverZero(1),
    "failureThreshold": OverZero(3),
    **under("httpGet", HTTP_GET),
    "grpc.service": "",
}

CONTAINER: Table = {
    "imagePullPolicy": pull_policy,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "ports[].protocol": "TCP",
    "env[].valueFrom.fieldRef.apiVersion": "v1",
    **under("livenessProbe", PROBE),
    **under("readinessProbe", PROBE),
    **under("startupProbe", PROBE),
    **under("lifecycle.postStart.httpGet", HTTP_GET),
    **under("lifecycle.preStop.httpGet", HTTP_GET),
}


def volume_mode(spec: Document) -> str | None:
    """An empty mode is one that is given."""
    return None if "volumeMode" in spec else "Filesystem"


CLAIM_SPEC: Table = {"volumeMode": volume_mode}


# What pods and persistent volumes have in common.
SOURCES: Table = {
    "hostPath.type": "",
    "iscsi.iscsiInterface": "default",
    "rbd.pool": "rbd",
    "rbd.user": "admin",
    "rbd.keyring": "/etc/ceph/keyring",
    "azureDisk.cachingMode": WhenAbsent("ReadWrite"),
    "azureDisk.fsType": WhenAbsent("ext4"),
    "azureDisk.readOnly": False,
    "azureDisk.kind": WhenAbsent("Shared"),
    "scaleIO.storageMode": "ThinProvisioned",
    "scaleIO.fsType": "xfs",
}

VOLUME: Table = {
    "": Rule(volume_without_source),
    "secret.defaultMode": 420,
    "configMap.defaultMode": 420,
    "downwardAPI.defaultMode": 420,
    "downwardAPI.items[].fieldRef.apiVersion": "v1",
    "projected.defaultMode": 420,
    "projected.sources[].serviceAccountToken.expirationSeconds": 3600,
    "projected.sources[].downwardAPI.items[].fieldRef.apiVersion": "v1",
    "image.pullPolicy": image_volume_pull_policy,
    **SOURCES,
    **under("ephemeral.volumeClaimTemplate.spec", CLAIM_SPEC),
}


POD_SPEC: Table = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "securityContext": {},
    "schedulerName": "default-scheduler",
    "": Rule(alias_service_account),
    **under("containers[]", CONTAINER),
    **under("initContainers[]", CONTAINER),
    **under("ephemeralContainers[]", CONTAINER),
    **under("volumes[]", VOLUME),
}


def pod_level_resources(spec: Document) -> None:
    """Requests of the pod as a whole: what its containers ask for together, or else its limits."""
    whole = spec.get("resources")
    if not whole or not whole.get("limits"):
        return
    requests = dict(whole.get("requests", {}))
    for name, amount in _together(spec).items():
        requests.setdefault(name, amount)
    for name, amount in whole["limits"].items():
        if name in POD_RESOURCES or name.startswith(HUGEPAGES):
            requests.setdefault(name, amount)
    if requests:
        whole["requests"] = requests


def _together(spec: Document) -> dict[str, str]:
    """What the containers need at any time: all that run side by side, or an init container if it needs more."""
    running: dict[str, Quantity] = {}
    needed: dict[str, Quantity] = {}
    for container in spec.get("initContainers", ()):
        asked = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(running, asked)
            asked = {}
        for name in asked | running:
            needed[name] = max(needed.get(name, ZERO), asked.get(name, ZERO) + running.get(name, ZERO))
    for container in spec.get("containers", ()):
        _add(running, _requests(container))
    return {name: str(max(running.get(name, ZERO), needed.get(name, ZERO))) for name in running | needed}


def _requests(container: Document) -> dict[str, Quantity]:
    requests = (container.get("resources") or {}).get("requests") or {}
    return {name: parse(amount) for name, amount in requests.items() if name in ("cpu", "memory")}


def _add(total: dict[str, Quantity], more: Mapping[str, Quantity]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, ZERO) + amount


def complete_pod(spec: Document) -> None:
    host_network_ports(spec)
    no_negative_grace(spec)


# What a pod has beyond a pod template.
POD_ONLY: Table = {
    "enableServiceLinks": True,
    "": Rule(complete_pod),
    "containers[].resources": Rule(requests_from_limits),
    "initContainers[].resources": Rule(requests_from_limits),
}

# Once the containers have their defaults.
POD_AFTER: Table = {"": Rule(pod_level_resources)}
