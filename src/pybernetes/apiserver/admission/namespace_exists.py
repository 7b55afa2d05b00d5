"""NamespaceExists: nothing is written in a namespace that is not there.

Follows plugin/pkg/admission/namespace/exists.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.apiserver.admission.contract import Attributes, ReadingPlugin

NAMESPACES = "namespaces"


class NamespaceExists(ReadingPlugin):
    name = "NamespaceExists"

    async def validate(self, attributes: Attributes) -> None:
        if not attributes.namespace or attributes.resource.info.group_resource == NAMESPACES:
            return
        if self._reader.get(NAMESPACES, "", attributes.namespace) is None:
            raise errors.not_found(NAMESPACES, attributes.namespace)
