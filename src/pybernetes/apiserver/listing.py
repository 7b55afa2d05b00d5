"""Lists: which objects, as of which revision, in which pieces.

Guarantees
  A list without a version shows every write acknowledged before it began.
  All pieces of one list are of the same revision, or the continuation is refused with 410 and a fresh token.

Follows k8s.io/apiserver/pkg/storage/cacher/delegator and storage/etcd3/store.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from pybernetes.api import errors
from pybernetes.apiserver.list_options import CURRENT, ContinueToken, ListOptions, Match
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.selection import Selection
from pybernetes.apiserver.watch_cache import WatchCache
from pybernetes.store.contract import Compacted

FRESHNESS_SECONDS = 3.0

INCONSISTENT = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    found: Sequence[StoredObject]
    revision: int
    continue_: str = ""
    remaining: int | None = None

    @property
    def metadata(self) -> Document:
        made: Document = {"resourceVersion": str(self.revision)}
        if self.continue_:
            made["continue"] = self.continue_
        if self.remaining:
            made["remainingItemCount"] = self.remaining
        return made


class Lister:
    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._cache = registry.cache
        self._watch_cache = registry.watch_cache

    async def list(self, namespace: str, options: ListOptions, selection: Selection) -> Page:
        if options.continue_:
            if options.resource_version not in ("", "0"):
                raise errors.bad_request("specifying resource version is not allowed when using continue")
            return await self._continued(namespace, options, selection)
        if await self._is_exact(options):
            return await self._exact(namespace, options.revision, "", options.limit, selection)
        found = self._candidates(namespace, selection)
        return self._page(namespace, found, "", options.limit, selection, self._watch_cache.revision)

    async def _is_exact(self, options: ListOptions) -> bool:
        """Whether the past must be read; if not, the cache is brought up to what was asked for."""
        if not options.resource_version:
            await self._watch_cache.at_least(self._registry.store.revision)
            return False
        if options.resource_version == "0":
            return False
        await fresh(self._watch_cache, options.revision)
        limited = bool(options.limit) and options.match is Match.NONE
        return (options.match is Match.EXACT or limited) and options.revision != self._watch_cache.revision

    def _candidates(self, namespace: str, selection: Selection) -> Iterable[StoredObject]:
        if selection.name:
            key = self._registry.key(namespace, selection.name)
            if namespace or not self._registry.info.namespaced:
                found = self._cache.objects.get(key)
                return () if found is None else (found,)
        pairs = selection.label_pairs
        if pairs:
            rarest = min(pairs, key=lambda pair: self._cache.count_with_label(*pair))
            return self._cache.with_label(namespace, *rarest)
        return self._cache.under(namespace)

    async def _exact(self, namespace: str, revision: int, start: str, limit: int, selection: Selection) -> Page:
        prefix = self._prefix(namespace)
        try:
            then = await self._registry.store.range(prefix, start=prefix + start if start else "", at=revision)
        except Compacted as error:
            raise errors.expired(
                f"The resourceVersion for the provided list is too old: {error.asked} ({error.oldest})"
            ) from error
        found = [self._registry.object_of(entry) for entry in then.entries]
        return self._page(namespace, found, "", limit, selection, revision)

    async def _continued(self, namespace: str, options: ListOptions, selection: Selection) -> Page:
        token = ContinueToken.decode(options.continue_)
        revision = token.revision
        await self._watch_cache.at_least(self._registry.store.revision)
        if revision == CURRENT or revision == self._watch_cache.revision:
            found = self._candidates(namespace, selection)
            current = self._watch_cache.revision
            return self._page(namespace, found, token.start, options.limit, selection, current)
        if revision < self._registry.store.compacted:
            raise too_old_to_continue(token)
        return await self._exact(namespace, revision, token.start, options.limit, selection)

    def _page(
        self,
        namespace: str,
        candidates: Iterable[StoredObject],
        start: str,
        limit: int,
        selection: Selection,
        revision: int,
    ) -> Page:
        if start:
            lowest = self._prefix(namespace) + start
            candidates = [one for one in candidates if one.key >= lowest]
        if not limit:
            if selection.everything:
                return Page(candidates if isinstance(candidates, Sequence) else list(candidates), revision)
            return Page([one for one in candidates if selection.matches(one)], revision)
        return self._limited(namespace, candidates, limit, selection, revision)

    def _limited(
        self, namespace: str, candidates: Iterable[StoredObject], limit: int, selection: Selection, revision: int
    ) -> Page:
        everything = candidates if isinstance(candidates, Sequence) else list(candidates)
        if selection.everything:
            found: Sequence[StoredObject] = list(islice(everything, limit))
            last = len(found)
        else:
            found, last = [], 0
            for one in everything:
                last += 1
                if selection.matches(one):
                    found.append(one)
                    if len(found) == limit:
                        break
        rest = len(everything) - last
        if not rest:
            return Page(found, revision)
        token = ContinueToken(revision, everything[last - 1].key[len(self._prefix(namespace)) :] + "\0")
        return Page(found, revision, token.encode(), rest if selection.everything else None)

    def _prefix(self, namespace: str) -> str:
        prefix = self._registry.prefix
        return f"{prefix}{namespace}/" if namespace else prefix


async def fresh(watch_cache: WatchCache, revision: int) -> None:
    """Waits a little for a version from the future; upstream's clients know this refusal and try again."""
    if watch_cache.revision >= revision:
        return
    try:
        async with asyncio.timeout(FRESHNESS_SECONDS):
            await watch_cache.at_least(revision)
    except TimeoutError as error:
        raise too_large(revision, watch_cache.revision) from error


def too_large(asked: int, current: int) -> errors.ApiError:
    error = errors.timeout(f"Too large resource version: {asked}, current: {current}", retry_after=1)
    error.details = {
        **(error.details or {}),
        "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
    }
    return error


class ContinueExpired(errors.ApiError):
    """410 with a token that goes on from the same place in the current state."""

    def __init__(self, fresh_token: str) -> None:
        super().__init__(410, "Expired", INCONSISTENT)
        self._token = fresh_token

    def status(self) -> Document:
        return {**super().status(), "metadata": {"continue": self._token}}


def too_old_to_continue(token: ContinueToken) -> ContinueExpired:
    return ContinueExpired(ContinueToken(CURRENT, token.start).encode())
