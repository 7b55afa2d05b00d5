"""What OpenAPI says of a kind that has no generated facts, told by whoever serves it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pybernetes.apiserver.openapi.schemas import Dialect

Schema = dict[str, Any]
Gvk = tuple[str, str, str]


class Published(Protocol):
    """Its `repr` differs when what it says does."""

    def definitions(self, dialect: Dialect) -> Iterator[tuple[Gvk, str, Schema]]:
        """Group, version and kind; the name of the definition; the definition."""
