"""NamespaceExists: nothing is written in a namespace that is not there.

Follows plugin/pkg/admission/namespace/exists.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, Plugin, Reader
from pybernetes.apiserver.admission.host import Host

NAMESPACES = "namespaces"


class NamespaceExists(Plugin):
    name = "NamespaceExists"

    @classmethod
    def build(cls, host: Host) -> NamespaceExists:
        return cls(host.reader)

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def validate(self, attributes: Attributes) -> None:
        if not attributes.namespace or attributes.resource.info.group_resource == NAMESPACES:
            return
        if self._reader.get(NAMESPACES, "", attributes.namespace) is None:
            raise errors.not_found(NAMESPACES, attributes.namespace)
