"""Service accounts: every namespace has one named `default`.

Follows pkg/controller/serviceaccount/serviceaccounts_controller.go.
"""

from __future__ import annotations

from collections.abc import Iterable

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.controllers.controller import DONE, Controller, For, Maps, Result
from pybernetes.controllers.pod_control import is_namespace_terminating

DEFAULT = "default"


def namespace_of_default(_: Controller, account: core_v1.ServiceAccount) -> Iterable[Key]:
    if account.metadata.name == DEFAULT:
        yield Key("", account.metadata.namespace)


class ServiceAccountController(Controller):
    name = "serviceaccount-controller"
    watches = (For(core_v1.Namespace), Maps(core_v1.ServiceAccount, namespace_of_default))
    workers = 1

    async def reconcile(self, key: Key) -> Result:
        namespace = self.informer(core_v1.Namespace).get(key)
        if namespace is None or namespace.metadata.deletion_timestamp is not None:
            return DONE
        if self.informer(core_v1.ServiceAccount).get(Key(key.name, DEFAULT)) is not None:
            return DONE
        account = core_v1.ServiceAccount(metadata=meta_v1.ObjectMeta(name=DEFAULT, namespace=key.name))
        await create_unless_there(self, account)
        return DONE


async def create_unless_there(controller: Controller, value: object) -> None:
    """Creates an object; that it exists already, or that its namespace is going away, is fine too."""
    try:
        await controller.client.create(value)
    except ApiError as error:
        if error.reason != "AlreadyExists" and not is_namespace_terminating(error):
            raise
