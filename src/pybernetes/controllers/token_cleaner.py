"""Bootstrap tokens go when they have expired.

Follows pkg/controller/bootstrap/tokencleaner.go.
"""

from __future__ import annotations

from pybernetes.api import bootstrap_tokens
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.client import key_of
from pybernetes.client.informer import Informer
from pybernetes.controllers.controller import DONE, Context, Controller, Requeue, Result


def bootstrap_secrets(context: Context) -> Informer[core_v1.Secret]:
    """Only these Secrets are kept in memory."""
    return context.informers.get(
        core_v1.Secret,
        namespace=bootstrap_tokens.NAMESPACE,
        field_selector=f"type={bootstrap_tokens.SECRET_TYPE}",
    )


class TokenCleaner(Controller):
    name = "token-cleaner-controller"
    enabled_by_default = False
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = bootstrap_secrets(context)
        self.informers.append(self.secrets)
        self.secrets.on_change(lambda _, new: None if new is None else self.queue.add(key_of(new)))

    async def reconcile(self, key: Key) -> Result:
        secret = self.secrets.get(key)
        left = None if secret is None else bootstrap_tokens.time_left(secret.data, self.clock.now())
        if secret is None or left is None:
            return DONE
        if left:
            return Requeue(left.total_seconds())
        try:
            await self.client.delete(core_v1.Secret, key.name, key.namespace, uid=secret.metadata.uid)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
        return DONE
