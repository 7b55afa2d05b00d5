"""The lease by which an API server says that it is there: `apiserver-…` in kube-system, renewed while it runs.

Follows pkg/controlplane/apiserver and k8s.io/component-helpers/apimachinery/lease.
"""

from __future__ import annotations

import base64
import hashlib
import logging

from pybernetes.api.meta import format_micro_time
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.background import Repeated
from pybernetes.apiserver.naming import new_uid
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Context, Document
from pybernetes.apiserver.rules import MainRule
from pybernetes.apiserver.server import ApiServer
from pybernetes.apiserver.updating import Proposal

NAMESPACE = "kube-system"
COMPONENT_LABEL = "apiserver.kubernetes.io/identity"
COMPONENT = "kube-apiserver"
HOSTNAME_LABEL = "kubernetes.io/hostname"
ADDRESS_ANNOTATION = "kubernetes.io/peer-advertise-address"
DURATION_SECONDS = 3600
RENEW_SECONDS = 10.0

_log = logging.getLogger(__name__)


class IdentityLease(Repeated):
    """Kept between `start` and `stop` for a server that serves leases; a server started again takes its old one."""

    def __init__(self, server: ApiServer, hostname: str, address: str) -> None:
        super().__init__(self._renew, RENEW_SECONDS, "identity-lease")
        self._server = server
        self._hostname = hostname
        self._address = address
        self.name = lease_name(hostname, address)
        self._holder = f"{self.name}_{new_uid(server.random)}"

    async def _renew(self) -> None:
        registry = self._server.endpoints["coordination.k8s.io", "v1", "leases"].registry
        context = Context(SERVER_USER, self._server.clock.now(), manager=COMPONENT)
        lease = self._lease()
        if await registry.find(NAMESPACE, self.name) is None:
            await registry.create(NAMESPACE, {**registry.identity(), **lease}, context)
            return

        def propose(current: StoredObject) -> Proposal:
            changed = registry.fresh_document_of(current)
            changed["spec"] = {**changed.get("spec", {}), **lease["spec"]}
            for field in ("labels", "annotations"):
                changed["metadata"][field] = {**changed["metadata"].get(field, {}), **lease["metadata"][field]}
            return Proposal(changed)

        await registry.update(NAMESPACE, self.name, propose, context, MainRule(registry.resource))

    def _lease(self) -> Document:
        return {
            "metadata": {
                "name": self.name,
                "labels": {COMPONENT_LABEL: COMPONENT, HOSTNAME_LABEL: self._hostname},
                "annotations": {ADDRESS_ANNOTATION: self._address},
            },
            "spec": {
                "holderIdentity": self._holder,
                "leaseDurationSeconds": DURATION_SECONDS,
                "renewTime": format_micro_time(self._server.clock.now()),
            },
        }


def lease_name(hostname: str, address: str) -> str:
    """The same for every start of one server."""
    digest = hashlib.sha256(f"{hostname}\n{address}".encode()).digest()[:16]
    return "apiserver-" + base64.b32encode(digest).decode().rstrip("=").lower()
