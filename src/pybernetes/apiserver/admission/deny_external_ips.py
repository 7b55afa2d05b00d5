"""DenyServiceExternalIPs: no service takes further external addresses; those it has may stay.

Follows plugin/pkg/admission/network/denyserviceexternalips.
"""

from __future__ import annotations

from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.resource import Document


class DenyServiceExternalIPs(Plugin):
    name = "DenyServiceExternalIPs"
    operations = frozenset({Operation.CREATE, Operation.UPDATE})
    resources = frozenset({"services"})

    async def validate(self, attributes: Attributes) -> None:
        if not _addresses(attributes.document) <= _addresses(attributes.old):
            raise forbidden(attributes, "Use of external IPs is denied by admission control")


def _addresses(service: Document | None) -> set[str]:
    return set(((service or {}).get("spec") or {}).get("externalIPs") or ())
