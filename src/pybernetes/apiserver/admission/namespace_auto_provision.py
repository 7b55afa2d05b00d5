"""NamespaceAutoProvision: a namespace comes into being with the first thing that is created in it.

Follows plugin/pkg/admission/namespace/autoprovision.
"""

from __future__ import annotations

from pybernetes.api import errors
from pybernetes.api.clock import Clock
from pybernetes.apiserver.admission.contract import Attributes, Operation, Plugin, Reader
from pybernetes.apiserver.admission.host import Host
from pybernetes.apiserver.admission.refusal import forbidden
from pybernetes.apiserver.auth.contract import SERVER_USER
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Context

NAMESPACES = "namespaces"


class NamespaceAutoProvision(Plugin):
    name = "NamespaceAutoProvision"
    operations = frozenset({Operation.CREATE})

    @classmethod
    def build(cls, host: Host) -> NamespaceAutoProvision:
        return cls(host.reader, host.registry("", "v1", NAMESPACES), host.clock)

    def __init__(self, reader: Reader, namespaces: Registry, clock: Clock) -> None:
        self._reader = reader
        self._namespaces = namespaces
        self._clock = clock

    async def mutate(self, attributes: Attributes) -> None:
        name = attributes.namespace
        if attributes.dry_run or not name or attributes.resource.info.group_resource == NAMESPACES:
            return
        if self._reader.get(NAMESPACES, "", name) is not None:
            return
        document = {**self._namespaces.identity(), "metadata": {"name": name}}
        try:
            await self._namespaces.create("", document, Context(SERVER_USER, self._clock.now()))
        except errors.ApiError as error:
            if error.reason != "AlreadyExists":
                raise forbidden(attributes, error.message) from error
