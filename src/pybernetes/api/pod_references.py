"""What a pod refers to by name, as documents say it.

Follows pkg/api/v1/pod/util.go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Reference = tuple[str, str, str]
"""(resource, namespace, name)"""


def references(pod: Mapping[str, Any]) -> Iterator[Reference]:
    """Everything that a pod's kubelet needs to run it."""
    namespace, spec = pod["metadata"].get("namespace", ""), pod.get("spec") or {}
    yield "serviceaccounts", namespace, spec.get("serviceAccountName") or "default"
    for secret in spec.get("imagePullSecrets") or ():
        yield "secrets", namespace, secret.get("name", "")
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            for resource, name in _of_container(container):
                yield resource, namespace, name
    yield from (("resourceclaims", namespace, name) for name in _claims(pod) if name)
    for volume in spec.get("volumes") or ():
        for resource, name in _of_volume(volume):
            yield resource, namespace, name
        if "ephemeral" in volume:
            yield "persistentvolumeclaims", namespace, f"{pod['metadata'].get('name', '')}-{volume.get('name', '')}"


def _claims(pod: Mapping[str, Any]) -> Iterator[str]:
    """The resource claims of a pod: those that it names and those that were made for it."""
    for claim in (pod.get("spec") or {}).get("resourceClaims") or ():
        yield claim.get("resourceClaimName", "")
    status = pod.get("status") or {}
    for made in status.get("resourceClaimStatuses") or ():
        yield made.get("resourceClaimName", "")
    yield (status.get("extendedResourceClaimStatus") or {}).get("resourceClaimName", "")


def _of_container(container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for source in container.get("envFrom") or ():
        for key, resource in (("secretRef", "secrets"), ("configMapRef", "configmaps")):
            if key in source:
                yield resource, source[key].get("name", "")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        for key, resource in (("secretKeyRef", "secrets"), ("configMapKeyRef", "configmaps")):
            if key in source:
                yield resource, source[key].get("name", "")


def _of_volume(volume: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "secret" in volume:
        yield "secrets", volume["secret"].get("secretName", "")
    if "configMap" in volume:
        yield "configmaps", volume["configMap"].get("name", "")
    if "persistentVolumeClaim" in volume:
        yield "persistentvolumeclaims", volume["persistentVolumeClaim"].get("claimName", "")
    for source in (volume.get("projected") or {}).get("sources") or ():
        if "secret" in source:
            yield "secrets", source["secret"].get("name", "")
        if "configMap" in source:
            yield "configmaps", source["configMap"].get("name", "")
    for source in volume.values():
        if isinstance(source, Mapping):
            for key in ("secretRef", "nodePublishSecretRef"):
                if isinstance(source.get(key), Mapping):
                    yield "secrets", source[key].get("name", "")
            if "shareName" in source and "secretName" in source:
                yield "secrets", source["secretName"]
