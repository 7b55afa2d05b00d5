"""What a server lends to its admission plugins.

A plugin's class says in ``build(host)`` what it takes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from pybernetes.api.clock import Clock
from pybernetes.apiserver.admission.contract import Reader
from pybernetes.apiserver.auth.contract import Authorizer

if TYPE_CHECKING:
    from pybernetes.apiserver.registry import Registry
    from pybernetes.apiserver.resource import Document, Resource
    from pybernetes.apiserver.webhook_client import WebhookClients


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    reader: Reader
    random: Random
    clock: Clock
    authorizer: Authorizer
    registry: Callable[[str, str, str], Registry]
    """(group, version, plural) → the storage of a served kind. Raises ``KeyError``."""
    resources: Callable[[], Iterable[Resource]]
    """Everything that is served at the moment."""
    webhooks: WebhookClients
    configuration: Document | None = None
    """The plugin's own part of the operator's configuration file."""


class ConfigurationError(ValueError):
    """The operator asked for something that cannot be; the server does not start."""
