"""The options about what is encrypted in the store, with upstream's names. They are remembered in the settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pybernetes.cli.flags import Flag, Kind, choose
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.api.clock import Clock
    from pybernetes.apiserver.encryption.upkeep import Upkeep
    from pybernetes.store.contract import Store

F = TypeVar("F", bound=Callable[..., Any])
FLAGS = (
    Flag(
        "encryption-provider-config",
        "What is encrypted in the store, with which keys (EncryptionConfiguration).",
        Kind.FILE,
    ),
    Flag(
        "encryption-provider-config-automatic-reload",
        "Whether that file is followed while it changes.",
        Kind.SWITCH,
    ),
)
_HINT = "docs/operations.md tells what can be configured"


def choose_encryption(function: F) -> F:
    """--encryption-provider-config and its like."""
    return choose(FLAGS)(function)


async def sealed(store: Store, settings: Settings, clock: Clock) -> tuple[Store, Upkeep | None]:
    """The store as the server shall see it, and what goes on about it. Raises Problem."""
    path = settings.encryption_provider_config
    if not path:
        await _refuse_sealed(store)
        return store, None
    from pybernetes.apiserver import resources
    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.auth.reloading import FileReloader
    from pybernetes.apiserver.encryption.configuration import read_configuration
    from pybernetes.apiserver.encryption.sealed_store import ROOT, SealedStore
    from pybernetes.apiserver.encryption.upkeep import Upkeep

    kinds = {f"{ROOT}{one.storage}/": (one.info.group, one.info.plural) for one in reversed(tuple(resources.load()))}
    try:
        content = await asyncio.to_thread(Path(path).read_bytes)
        sealing = await SealedStore.over(store, read_configuration(content, path), kinds)
    except (ConfigurationError, OSError) as error:
        raise Problem(str(error), _HINT) from error
    if not settings.encryption_provider_config_automatic_reload:
        return sealing, Upkeep(sealing, None)

    async def take(changed: bytes) -> None:
        await sealing.use(read_configuration(changed, path))

    return sealing, Upkeep(sealing, FileReloader("encryption", path, take, clock, content))


async def _refuse_sealed(store: Store) -> None:
    """A server that is not told the keys would take what is encrypted for broken. Raises Problem."""
    from pybernetes.apiserver.encryption.providers import SEALED

    for entry in (await store.range("/registry/")).entries:
        if entry.value.startswith(SEALED):
            raise Problem(
                f'unable to transform key "{entry.key}": identity transformer tried to read encrypted data',
                "name the keys with --encryption-provider-config",
            )
