"""Root CA publisher: every namespace has a ConfigMap `kube-root-ca.crt`, by which pods trust the API server.

Guarantees  Its data is put right when someone changes it. Nothing is published when no CA was given.
Follows pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result
from pybernetes.controllers.serviceaccount import create_unless_there

NAME = "kube-root-ca.crt"
FILE = "ca.crt"
DESCRIPTION = "kubernetes.io/description"
DESCRIPTION_TEXT = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


def namespace_of_bundle(_: Controller, config_map: core_v1.ConfigMap) -> Iterable[Key]:
    if config_map.metadata.name == NAME:
        yield Key("", config_map.metadata.namespace)


class RootCaPublisher(Controller):
    name = "root-ca-certificate-publisher-controller"
    watches = (For(core_v1.Namespace), Maps(core_v1.ConfigMap, namespace_of_bundle))
    workers = 1

    async def reconcile(self, key: Key) -> Result:
        namespace = self.informer(core_v1.Namespace).get(key)
        bundle = self.context.root_ca
        if not bundle or namespace is None or namespace.metadata.deletion_timestamp is not None:
            return DONE
        present = self.informer(core_v1.ConfigMap).get(Key(key.name, NAME))
        if present is None:
            await create_unless_there(self, bundle_map(key.name, bundle))
        elif present.data != {FILE: bundle} or DESCRIPTION not in present.metadata.annotations:
            await self.client.update(_mended(present, bundle))
        return DONE


def bundle_map(namespace: str, bundle: str) -> core_v1.ConfigMap:
    metadata = meta_v1.ObjectMeta(name=NAME, namespace=namespace, annotations={DESCRIPTION: DESCRIPTION_TEXT})
    return core_v1.ConfigMap(metadata=metadata, data={FILE: bundle})


def _mended(present: core_v1.ConfigMap, bundle: str) -> core_v1.ConfigMap:
    annotations = {**present.metadata.annotations, DESCRIPTION: DESCRIPTION_TEXT}
    metadata = msgspec.structs.replace(present.metadata, annotations=annotations)
    return msgspec.structs.replace(present, metadata=metadata, data={FILE: bundle})
