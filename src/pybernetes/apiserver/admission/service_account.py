"""ServiceAccount: every pod runs as an account of its namespace and gets that account's token mounted.

Follows plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from random import Random

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.mountable_secrets import limits_secrets, mirror_problem, secret_problem
from pybernetes.apiserver.admission.pods import is_mirror, spec_of
from pybernetes.apiserver.admission.refusal import forbidden, unaskable
from pybernetes.apiserver.naming import random_suffix
from pybernetes.apiserver.resource import Document

DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 60 * 60 + 7
ROOT_CA = "kube-root-ca.crt"
_PATIENCE = 10
"""How often the default account, which a controller makes, is looked for in a namespace that may be new."""


class ServiceAccount(Plugin):
    name = "ServiceAccount"
    resources = frozenset({"pods"})

    @classmethod
    def build(cls, host: Host) -> ServiceAccount:
        return cls(host.reader, host.random)

    def __init__(self, reader: Reader, random: Random) -> None:
        self._reader = reader
        self._random = random

    def handles(self, operation: Operation, group_resource: str, subresource: str) -> bool:
        judged = {(Operation.CREATE, ""), (Operation.UPDATE, "ephemeralcontainers")}
        return group_resource == "pods" and (operation, subresource) in judged

    async def mutate(self, attributes: Attributes) -> None:
        pod = attributes.document
        if pod is None or attributes.operation is Operation.UPDATE or is_mirror(pod):
            return
        spec = pod.setdefault("spec", {})
        name = spec.get("serviceAccountName") or DEFAULT
        spec["serviceAccountName"] = spec["serviceAccount"] = name
        account = await self._account(attributes, name)
        if _mounts_token(spec, account):
            self._mount_token(spec)
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(secret) for secret in account["imagePullSecrets"]]

    async def validate(self, attributes: Attributes) -> None:
        pod = attributes.document
        if pod is None:
            return
        spec = spec_of(pod)
        if attributes.operation is Operation.CREATE and is_mirror(pod):
            problem = mirror_problem(spec)
        elif not spec.get("serviceAccountName"):
            problem = f"no service account specified for pod {attributes.namespace}/{pod['metadata'].get('name', '')}"
        else:
            account = await self._account(attributes, spec["serviceAccountName"])
            added = attributes.operation is Operation.UPDATE
            problem = secret_problem(account, spec, ephemeral=added) if limits_secrets(account) else ""
        if problem:
            raise forbidden(attributes, problem)

    async def _account(self, attributes: Attributes, name: str) -> Document:
        for attempt in range(_PATIENCE):
            account = self._reader.get("serviceaccounts", attributes.namespace, name)
            if account is not None:
                return account
            if name != DEFAULT or attempt == _PATIENCE - 1:
                break
            await asyncio.sleep(0.1 + self._random.random() / 10)
        problem = unaskable(name) or f'serviceaccount "{name}" not found'
        raise forbidden(attributes, f"error looking up service account {attributes.namespace}/{name}: {problem}")

    def _mount_token(self, spec: Document) -> None:
        volumes = spec.get("volumes") or []
        present = next((one["name"] for one in volumes if one.get("name", "").startswith(VOLUME_PREFIX)), None)
        name = present or VOLUME_PREFIX + random_suffix(self._random)
        needed = False
        for container in _containers(spec):
            mounts = container.setdefault("volumeMounts", [])
            if all(mount.get("mountPath") != MOUNT_PATH for mount in mounts):
                mounts.append({"name": name, "readOnly": True, "mountPath": MOUNT_PATH})
                needed = True
        if needed and present is None:
            spec["volumes"] = [*volumes, token_volume(name)]


def _containers(spec: Document) -> Iterable[Document]:
    yield from spec.get("initContainers") or ()
    yield from spec.get("containers") or ()


def _mounts_token(spec: Document, account: Document) -> bool:
    for holder in (spec, account):
        stated = holder.get("automountServiceAccountToken")
        if stated is not None:
            return bool(stated)
    return True


def token_volume(name: str) -> Document:
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_SECONDS, "path": "token"}},
                {"configMap": {"name": ROOT_CA, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [
                            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                        ]
                    }
                },
            ],
            "defaultMode": 0o644,
        },
    }
