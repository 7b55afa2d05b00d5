"""Kinds that an object names by apiVersion and kind: the built-in ones, and those that discovery knows."""

from __future__ import annotations

from pybernetes.api import kinds
from pybernetes.api.kinds import KindInfo
from pybernetes.client import Client, discovery


async def find_kind(client: Client, api_version: str, kind: str) -> KindInfo | None:
    """Raises ApiError and Unreachable."""
    group, _, version = api_version.rpartition("/")
    try:
        return kinds.by_gvk(group, version, kind)
    except LookupError:
        served = await discovery.discover(client)
    infos = (one.info for one in served.resources)
    return next((one for one in infos if (one.group, one.version, one.kind) == (group, version, kind)), None)
