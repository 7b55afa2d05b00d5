"""Discovery: which kinds a server serves, and what may be done with them.

Guarantees  One row per resource, in its group's preferred version; subresources are left out.
A group whose server does not answer is left out and named in `failed`, so that callers can tell "none" from "unknown".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pybernetes.api import kinds
from pybernetes.api.errors import ApiError
from pybernetes.api.kinds import KindInfo
from pybernetes.client.client import Client
from pybernetes.client.transport import Unreachable


@dataclass(frozen=True, slots=True)
class Discovered:
    info: KindInfo
    verbs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Discovery:
    resources: tuple[Discovered, ...]
    failed: tuple[str, ...]
    """Group versions that could not be asked."""

    def supporting(self, *verbs: str) -> tuple[Discovered, ...]:
        return tuple(resource for resource in self.resources if resource.verbs >= set(verbs))


async def discover(client: Client) -> Discovery:
    groups = (await client.document("/apis")).get("groups") or ()
    places = [("", "v1", "/api/v1")]
    for group in groups:
        version = group["preferredVersion"]["version"]
        places.append((group["name"], version, f"/apis/{group['name']}/{version}"))
    resources: list[Discovered] = []
    failed: list[str] = []
    for name, version, path in places:
        try:
            document = await client.document(path)
        except (ApiError, Unreachable) as error:
            if isinstance(error, ApiError) and error.code < 500 and error.code != 404:
                raise
            failed.append(f"{name}/{version}" if name else version)
            continue
        resources.extend(
            Discovered(_info(name, version, row), frozenset(row.get("verbs") or ()))
            for row in document.get("resources") or ()
            if "/" not in row["name"]
        )
    return Discovery(tuple(resources), tuple(failed))


def _info(group: str, version: str, row: dict[str, Any]) -> KindInfo:
    try:
        known = kinds.by_resource(group, version, row["name"])
    except LookupError:
        known = None
    if known is not None and known.kind == row["kind"]:
        return known
    return KindInfo(group, version, row["kind"], row["name"], bool(row["namespaced"]))
