"""A custom kind's objects in the versions that their managers used.

Guarantees  What a webhook has to convert is waited for outside: `Unconverted` ends what asked for it, which is done
again once the webhook has answered. Converted objects are neither pruned nor defaulted, as upstream's are not: one
that does not fit its version's schema is an error, and so is a version that the definition does not name.

Follows k8s.io/apimachinery/pkg/util/managedfields/internal/versionconverter.go and pkg/apiserver/conversion of
apiextensions-apiserver.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import orjson

from pybernetes.api.patch import checking
from pybernetes.api.patch.error import UnfitVersion
from pybernetes.api.patch.parts import Kind
from pybernetes.api.patch.pruning import Document, OtherVersion
from pybernetes.api.patch.structural import structure_of
from pybernetes.api.schema.structural import StructuralShape
from pybernetes.apiserver.unconverted import Unconverted

Webhook = Callable[[Sequence[Document], str], Awaitable[list[Document]]]
_IDENTITY = frozenset(("apiVersion", "kind"))
"""What is nothing else is empty: no webhook is asked about it."""
REMEMBERED = 64
"""Objects that were converted last; a write asks for a few of them, twice."""


class OtherVersions(Mapping[str, OtherVersion]):
    """By apiVersion, all but ``own``. ``shapes`` are by version; without a webhook only the apiVersion changes."""

    def __init__(self, own: str, shapes: Mapping[str, StructuralShape], webhook: Webhook | None) -> None:
        self._own = own
        self._group = own.rpartition("/")[0]
        self._shapes = shapes
        self._webhook = webhook
        self._made: dict[str, OtherVersion] = {}
        self._converted: dict[tuple[str, bytes], Document] = {}

    def __contains__(self, api_version: object) -> bool:
        """Whatever a manager says that he used is another version, be there one or not."""
        return api_version != self._own

    def __getitem__(self, api_version: str) -> OtherVersion:
        if api_version == self._own:
            raise KeyError(api_version)
        made = self._made.get(api_version)
        if made is None:
            made = self._made[api_version] = self._make(api_version)
        return made

    def __iter__(self) -> Iterator[str]:
        return (one for one in (f"{self._group}/{name}" for name in self._shapes) if one != self._own)

    def __len__(self) -> int:
        return len(self._shapes) - 1

    def _make(self, api_version: str) -> OtherVersion:
        kind, own = self._kind_of(api_version), self._kind_of(self._own)
        if kind is None or own is None:
            return OtherVersion(structure_of(None), partial(_refuse, api_version), partial(_refuse, api_version))
        return OtherVersion(kind, partial(self._convert, api_version, kind), partial(self._convert, self._own, own))

    def _kind_of(self, api_version: str) -> Kind | None:
        group, _, version = api_version.rpartition("/")
        shape = self._shapes.get(version) if group == self._group else None
        return None if shape is None else structure_of(shape.schema)

    def _convert(self, api_version: str, kind: Kind, document: Document) -> Document:
        if self._webhook is None or not document.keys() - _IDENTITY:
            made = {**document, "apiVersion": api_version}
        else:
            key = (api_version, orjson.dumps(document))
            found = self._converted.get(key)
            if found is None:
                raise Unconverted(partial(self._ask, key, self._webhook, document))
            made = found
        wrong = checking.problems(made, kind)
        if wrong:
            raise UnfitVersion(checking.joined(wrong))
        return made

    async def _ask(self, key: tuple[str, bytes], webhook: Webhook, document: Document) -> None:
        (made,) = await webhook([document], key[0])
        if len(self._converted) >= REMEMBERED:
            self._converted.pop(next(iter(self._converted)))
        self._converted[key] = made


def _refuse(api_version: str, document: Document) -> Document:
    raise UnfitVersion(f"request to convert CR to an invalid group/version: {api_version}")
