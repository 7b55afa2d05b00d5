"""What a kubelet may do about pods: it makes mirror pods of its own, and tells and ends what runs there."""

from __future__ import annotations

from typing import Any

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Operation, Reader
from pybernetes.apiserver.admission.mountable_secrets import refers_to_secrets
from pybernetes.apiserver.admission.pods import MIRROR, containers_of, is_mirror
from pybernetes.apiserver.resource import Document

_REFERRING_VOLUMES = {
    "configMap": "configmaps (via configmap volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
}
_REFERRING_SOURCES = {
    "configMap": "configmaps (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def pod_problem(node: str, asked: Attributes, reader: Reader) -> str:
    """Why the node may not; "" if it may. Raises 404 for pods and nodes that are not there."""
    match asked.subresource, asked.operation:
        case "", Operation.CREATE:
            return _new_pod_problem(node, asked.document or {}, reader)
        case "", Operation.DELETE:
            if _node_of(asked.old) != node:
                return f'node "{node}" can only delete pods with spec.nodeName set to itself'
        case "", operation:
            return f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'
        case "status", Operation.UPDATE:
            return _status_problem(node, asked.document or {}, asked.old or {})
        case "eviction", Operation.CREATE:
            pod = asked.old or reader.get("pods", asked.namespace, asked.name)
            if pod is None:
                raise errors.not_found("pods", asked.name)
            if _node_of(pod) != node:
                return f"node {node} can only evict pods with spec.nodeName set to itself"
        case "status" | "eviction", operation:
            return f'unexpected operation "{operation}"'
        case subresource, _:
            return f"unexpected pod subresource \"{subresource}\", only 'status' and 'eviction' are allowed"
    return ""


def _new_pod_problem(node: str, pod: Document, reader: Reader) -> str:
    spec = pod.get("spec") or {}
    if not is_mirror(pod):
        return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if spec.get("nodeName") != node:
        return f'node "{node}" can only create pods with spec.nodeName set to itself'
    problem = _owner_problem(node, (pod.get("metadata") or {}).get("ownerReferences") or [], reader)
    if problem:
        return problem
    referred = _referred(spec)
    return f'node "{node}" can not create pods that reference {referred}' if referred else ""


def _owner_problem(node: str, owners: list[Document], reader: Reader) -> str:
    only = f'node "{node}" can only create pods with'
    if len(owners) > 1:
        return f"{only} a single owner reference set to itself"
    if not owners or any(
        owners[0].get(key) != value for key, value in (("apiVersion", "v1"), ("kind", "Node"), ("name", node))
    ):
        return f"{only} an owner reference set to itself"
    owner = owners[0]
    if not owner.get("controller"):
        return f"{only} a controller owner reference set to itself"
    if owner.get("blockOwnerDeletion"):
        return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    found = reader.get("nodes", "", node)
    if found is None:
        raise errors.not_found("nodes", node)
    if owner.get("uid") != found["metadata"].get("uid"):
        return f"node {node} UID mismatch: expected {owner.get('uid', '')} got {found['metadata'].get('uid', '')}"
    return ""


def _referred(spec: Document) -> str:
    """What of the API the pod refers to; "" for a pod that needs none of it."""
    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    if refers_to_secrets(spec):
        return "secrets"
    if any(_uses_config_map(container) for container in containers_of(spec)):
        return "configmaps"
    if any(_is_config_map(volume) for volume in spec.get("volumes") or ()):
        return "configmaps"
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in spec.get("volumes") or ():
        for kind, shown in _REFERRING_VOLUMES.items():
            if volume.get(kind) is not None:
                return shown
        for source in (volume.get("projected") or {}).get("sources") or ():
            for kind, shown in _REFERRING_SOURCES.items():
                if source.get(kind) is not None:
                    return shown
    return ""


def _uses_config_map(container: Document) -> bool:
    return any(source.get("configMapRef") for source in container.get("envFrom") or ()) or any(
        (variable.get("valueFrom") or {}).get("configMapKeyRef") for variable in container.get("env") or ()
    )


def _is_config_map(volume: Document) -> bool:
    sources = (volume.get("projected") or {}).get("sources") or ()
    return volume.get("configMap") is not None or any(source.get("configMap") is not None for source in sources)


def _status_problem(node: str, new: Document, old: Document) -> str:
    if _node_of(old) != node:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if _labels(old) != _labels(new):
        return f'node "{node}" cannot update labels through pod status'
    if _claims(old) != _claims(new):
        return f'node "{node}" cannot update resource claim statues'
    now, before = new.get("status") or {}, old.get("status") or {}
    if now.get("extendedResourceClaimStatus") != before.get("extendedResourceClaimStatus"):
        return f'node "{node}" cannot update extended resource claim status'
    return ""


def _node_of(pod: Document | None) -> str:
    return str(((pod or {}).get("spec") or {}).get("nodeName") or "")


def _labels(pod: Document) -> Any:
    return (pod.get("metadata") or {}).get("labels") or {}


def _claims(pod: Document) -> list[Any]:
    statuses = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    return [(one.get("name"), one.get("resourceClaimName")) for one in statuses]
