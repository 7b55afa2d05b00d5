"""Which secrets a pod may refer to: a mirror pod none, others those of its account where the account says so.

Follows plugin/pkg/admission/serviceaccount and VisitPodSecretNames in pkg/api/pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pybernetes.apiserver.admission.pods import containers_of
from pybernetes.apiserver.resource import Document

ENFORCED = "kubernetes.io/enforce-mountable-secrets"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_SHOWN = {"initContainers": "init container", "containers": "container", "ephemeralContainers": "ephemeral container"}


def limits_secrets(account: Document) -> bool:
    return (account["metadata"].get("annotations") or {}).get(ENFORCED) in _TRUE


def mirror_problem(spec: Document) -> str:
    """Why a kubelet may not make this mirror pod; "" if it may."""
    if spec.get("serviceAccountName"):
        return "a mirror pod may not reference service accounts"
    if refers_to_secrets(spec):
        return "a mirror pod may not reference secrets"
    for volume in spec.get("volumes") or ():
        sources = (volume.get("projected") or {}).get("sources") or ()
        if any(source.get("serviceAccountToken") for source in sources):
            return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""


def refers_to_secrets(spec: Document) -> bool:
    return bool(spec.get("imagePullSecrets")) or any(True for _ in _secret_names(spec))


def secret_problem(account: Document, spec: Document, *, ephemeral: bool) -> str:
    """Why the account does not allow a secret that the pod refers to; "" if it does. ``ephemeral`` containers are
    judged alone: the rest of their pod was judged when it was made."""
    name = account["metadata"]["name"]
    allowed = {one.get("name") for one in account.get("secrets") or ()}
    if ephemeral:
        return _problem_of_containers(spec, ("ephemeralContainers",), allowed, name)
    for volume in spec.get("volumes") or ():
        secret = (volume.get("secret") or {}).get("secretName")
        if secret is not None and secret not in allowed:
            return (
                f'volume with secret.secretName="{secret}" is not allowed because service account {name} does not '
                "reference that secret"
            )
    problem = _problem_of_containers(spec, ("initContainers", "containers"), allowed, name)
    return problem or _problem_of_pulling(account, spec)


def _problem_of_containers(spec: Document, kinds: tuple[str, ...], allowed: set[Any], account: str) -> str:
    for kind in kinds:
        for container in containers_of(spec, (kind,)):
            for how, secret in _of_container(container):
                if secret not in allowed:
                    shown = f"{_SHOWN[kind]} {container.get('name', '')}"
                    return (
                        f'{shown} with {how} referencing secret.secretName="{secret}" '
                        f"is not allowed because service account {account} does not reference that secret"
                    )
    return ""


def _problem_of_pulling(account: Document, spec: Document) -> str:
    allowed = {one.get("name") for one in account.get("imagePullSecrets") or ()}
    for index, reference in enumerate(spec.get("imagePullSecrets") or ()):
        if reference.get("name") not in allowed:
            return (
                f'imagePullSecrets[{index}].name="{reference.get("name", "")}" is not allowed because service account '
                f"{account['metadata']['name']} does not reference that imagePullSecret"
            )
    return ""


def _of_container(container: Document) -> Iterator[tuple[str, str]]:
    """How a secret is referred to, and its name."""
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
        if reference:
            yield f"envVar {variable.get('name', '')}", reference.get("name", "")
    for source in container.get("envFrom") or ():
        if source.get("secretRef"):
            yield "envFrom", source["secretRef"].get("name", "")


def _secret_names(spec: Document) -> Iterator[str]:
    for container in containers_of(spec):
        for _, name in _of_container(container):
            yield name
    for volume in spec.get("volumes") or ():
        for kind, source in volume.items():
            if not isinstance(source, dict):
                continue
            reference = source.get("secretRef") or source.get("nodePublishSecretRef")
            if kind == "secret" or kind == "azureFile":
                yield source.get("secretName", "")
            elif reference:
                yield reference.get("name", "")
            for projection in source.get("sources") or ():
                if projection.get("secret"):
                    yield projection["secret"].get("name", "")
