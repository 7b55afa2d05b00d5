"""Lists: which objects, as of which revision, in which pieces.

Guarantees
  A list without a version shows every write acknowledged before it began.
  All pieces of one list are of the same revision, or the continuation is refused with 410 and a fresh token.

Follows k8s.io/apiserver/pkg/storage/cacher/delegator and storage/etcd3/store.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pybernetes.api import errors
from pybernetes.apiserver.list_options import CURRENT, ContinueToken, ListOptions, Match, parse_version
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.resource import Document
from pybernetes.apiserver.selection import Selection, candidates
from pybernetes.apiserver.watch_cache import WatchCache
from pybernetes.store.contract import Compacted, FutureRevision

FRESHNESS_SECONDS = 3.0
RETRY_SECONDS = 1

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
        # Whoever takes any version gets it whole, as from upstream's cache.
        limit = 0 if options.resource_version == "0" else options.limit
        if options.continue_:
            token = ContinueToken.decode(options.continue_)
            if options.resource_version not in ("", "0"):
                raise errors.bad_request("specifying resource version is not allowed when using continue")
            return await self._continued(namespace, token, limit, selection)
        if await self._is_exact(options):
            return await self._exact(namespace, options.revision, "", limit, selection)
        return self._present(namespace, "", limit, selection)

    async def _is_exact(self, options: ListOptions) -> bool:
        """Whether the past must be read; if not, the cache is brought up to what was asked for."""
        if not options.resource_version:
            await self._watch_cache.at_least(self._registry.store.revision)
            return False
        if options.resource_version == "0":
            return False
        exact = options.match is Match.EXACT
        await fresh(self._watch_cache, options.revision, retry_after=0 if exact else RETRY_SECONDS)
        limited = bool(options.limit) and options.match is Match.NONE
        return (exact or limited) and options.revision != self._watch_cache.revision

    def _present(self, namespace: str, start: str, limit: int, selection: Selection) -> Page:
        revision = self._watch_cache.revision
        if selection.everything:
            span = self._cache.under(namespace, start)
            found = span.first(limit or len(span))
            self._cache.lists.count(len(found), len(found))
            return self._page(namespace, found, len(span) - len(found), revision)
        among = candidates(self._cache, selection, start)
        page = self._selected(namespace, among, limit, selection, revision)
        if selection.pairs and not selection.name and len(page.found) == limit and self._goes_on(namespace, page.found):
            page = Page(page.found, revision, self._token(namespace, page.found[-1], revision))
        self._cache.lists.count(len(among), len(page.found))
        return page

    async def _exact(self, namespace: str, revision: int, start: str, limit: int, selection: Selection) -> Page:
        prefix = self._prefix(namespace)
        most = limit if limit and selection.everything else None
        try:
            then = await self._registry.store.range(prefix, start=prefix + start, limit=most, at=revision)
        except FutureRevision as error:
            raise too_large(revision, self._registry.store.revision) from error
        except Compacted as error:
            raise errors.expired("The resourceVersion for the provided list is too old.") from error
        found = [self._registry.object_of(entry) for entry in then.entries]
        if selection.everything:
            page = self._page(namespace, found, then.count - len(found), revision)
        else:
            page = self._selected(namespace, found, limit, selection, revision)
        self._cache.lists_of_the_past.count(len(found), len(page.found))
        return page

    async def _continued(self, namespace: str, token: ContinueToken, limit: int, selection: Selection) -> Page:
        await self._watch_cache.at_least(self._registry.store.revision)
        if token.revision in (CURRENT, self._watch_cache.revision):
            return self._present(namespace, token.start, limit, selection)
        if token.revision < self._registry.store.compacted:
            raise too_old_to_continue(token)
        return await self._exact(namespace, token.revision, token.start, limit, selection)

    def _page(self, namespace: str, found: Sequence[StoredObject], rest: int, revision: int) -> Page:
        if not rest or not found:
            return Page(found, revision)
        return Page(found, revision, self._token(namespace, found[-1], revision), rest)

    def _selected(
        self,
        namespace: str,
        among: Sequence[StoredObject],
        limit: int,
        selection: Selection,
        revision: int,
    ) -> Page:
        """What is selected, up to the limit; the next page begins after the last that was looked at."""
        if not limit:
            return Page([one for one in among if selection.matches(one)], revision)
        found: list[StoredObject] = []
        for position, one in enumerate(among, 1):
            if selection.matches(one):
                found.append(one)
                if len(found) == limit:
                    more = position < len(among)
                    return Page(found, revision, self._token(namespace, one, revision) if more else "")
        return Page(found, revision)

    def _goes_on(self, namespace: str, found: Sequence[StoredObject]) -> bool:
        """There are more objects, selected or not."""
        return bool(found) and bool(len(self._cache.under(namespace, self._place(namespace, found[-1]) + "\0")))

    def _token(self, namespace: str, last: StoredObject, revision: int) -> str:
        return ContinueToken(revision, self._place(namespace, last) + "\0").encode()

    def _place(self, namespace: str, one: StoredObject) -> str:
        return one.key[len(self._prefix(namespace)) :]

    def _prefix(self, namespace: str) -> str:
        prefix = self._registry.prefix
        return f"{prefix}{namespace}/" if namespace else prefix


async def at_least(watch_cache: WatchCache, version: str) -> None:
    """What a single object may be asked for: to be no older than a version."""
    revision = check_version(version)
    if revision:
        await fresh(watch_cache, revision)


def check_version(version: str) -> int:
    """0 for any. What single objects and watches are asked for is refused as an error of the server's own."""
    try:
        return parse_version(version) if version else 0
    except ValueError as error:
        raise errors.ApiError(500, "", str(error)) from error


async def fresh(watch_cache: WatchCache, revision: int, *, retry_after: int = RETRY_SECONDS) -> None:
    """Waits a little for a version from the future; upstream's clients know this refusal and try again."""
    if watch_cache.revision >= revision:
        return
    try:
        async with asyncio.timeout(FRESHNESS_SECONDS):
            await watch_cache.at_least(revision)
    except TimeoutError as error:
        raise too_large(revision, watch_cache.revision, retry_after) from error


def too_large(asked: int, current: int, retry_after: int = RETRY_SECONDS) -> errors.ApiError:
    error = errors.timeout(f"Too large resource version: {asked}, current: {current}", retry_after)
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
