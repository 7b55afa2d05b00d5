"""A store that keeps some kinds' values sealed: what is below it never sees them, who is above it sees nothing else.

Guarantees
  A value is sealed with the first provider that the configuration names for its kind, and opened with whichever sealed
  it. The place of a value is part of what an authenticated cipher checks.
  Nothing that the configuration cannot open is in the store: ``SealedStore.over`` refuses to begin, and ``use`` to go
  on with another configuration, when there is such a value.

Follows k8s.io/apiserver/pkg/storage/etcd3 (store.go) and pkg/server/options/encryptionconfig.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from time import perf_counter

from msgspec.structs import replace

from pybernetes.api.figures import Counts, Histograms
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.encryption.configuration import (
    ANY,
    EncryptionConfiguration,
    GroupResource,
    parse_group_resource,
)
from pybernetes.apiserver.encryption.providers import Prefixed, Service, Unavailable, Unopened, made
from pybernetes.store.contract import (
    Change,
    Committed,
    Condition,
    Entry,
    Put,
    Range,
    Refused,
    Revision,
    Store,
    StoreError,
    Watch,
    Write,
)

ROOT = "/registry/"
_SECONDS = tuple(5e-6 * 2**power for power in range(25))
Rules = Mapping[GroupResource, Prefixed]


class Undecipherable(StoreError):
    def __init__(self, key: str, why: str) -> None:
        super().__init__(f'unable to transform key "{key}": {why}')


def rules_of(configuration: EncryptionConfiguration) -> Rules:
    """Waits for services. Raises ConfigurationError for a rule that an earlier one leaves nothing to, and for a service
    that does not answer."""
    found: dict[GroupResource, list[int]] = {}
    for index, one in enumerate(configuration.resources):
        for text in one.resources:
            group, resource = parse_group_resource(text)
            for masking in ((group, ANY), (ANY, ANY)):
                if masking in found:
                    shown = _shown((group, resource)), _shown(masking)
                    told = 'resource "{}" is masked by earlier rule "{}"'.format(*shown)
                    raise ConfigurationError(f"error while building transformers: {told}")
            found.setdefault((group, resource), []).append(index)
    try:
        ciphers = [[made(provider) for provider in one.providers] for one in configuration.resources]
    except Unavailable as error:
        raise ConfigurationError(f"a kms provider cannot be used: {error}") from error
    return {
        kind: Prefixed([cipher for index in indexes for cipher in ciphers[index]], "no matching prefix found")
        for kind, indexes in found.items()
    }


def _shown(kind: GroupResource) -> str:
    group, resource = kind
    if kind == ("", ANY):
        return "*."
    return f"{resource}.{group}" if group else resource


class SealedStore:
    """Implements `Store`. ``kinds``: storage prefix → group resource, of the kinds that are built in."""

    def __init__(self, inner: Store, rules: Rules, kinds: Mapping[str, GroupResource]) -> None:
        self._inner = inner
        self._rules = rules
        self._kinds = kinds
        self._found: dict[GroupResource, Prefixed | None] = {}
        self.operations = Counts()
        """By resource, direction, prefix and outcome."""
        self.seconds = Histograms(_SECONDS)

    @classmethod
    async def over(
        cls, inner: Store, configuration: EncryptionConfiguration, kinds: Mapping[str, GroupResource]
    ) -> SealedStore:
        """Raises ConfigurationError for a store that the configuration cannot read."""
        store = cls(inner, await asyncio.to_thread(rules_of, configuration), kinds)
        await store.check()
        return store

    async def use(self, configuration: EncryptionConfiguration) -> None:
        """Goes on with another configuration. Raises ConfigurationError, and keeps the one it had."""
        new = SealedStore(self._inner, await asyncio.to_thread(rules_of, configuration), self._kinds)
        try:
            await new.check()
        except ConfigurationError:
            new.close_services()
            raise
        self.close_services()
        self._rules, self._found = new._rules, {}

    async def check(self) -> None:
        """Raises ConfigurationError for a value that cannot be read."""
        entries = (await self._inner.range(ROOT)).entries
        try:
            await asyncio.to_thread(lambda: [self._opened(entry) for entry in entries])
        except Undecipherable as error:
            raise ConfigurationError(str(error)) from error

    def close_services(self) -> None:
        for service in self.services:
            service.close()

    @property
    def services(self) -> Sequence[Service]:
        """Those that guard keys, each once."""
        found = {id(one): one for rule in self._rules.values() for one in rule.members if isinstance(one, Service)}
        return tuple(found.values())

    def is_stale(self, key: str) -> bool:
        entry, sealer = self._inner.get_now(key), self._sealer_of(key)
        return entry is not None and sealer is not None and sealer.opened(entry.value, key)[1]

    # the store's own

    @property
    def revision(self) -> Revision:
        return self._inner.revision

    @property
    def compacted(self) -> Revision:
        return self._inner.compacted

    async def get(self, key: str) -> Entry | None:
        entry = await self._inner.get(key)
        return None if entry is None else self._opened(entry)

    def get_now(self, key: str) -> Entry | None:
        entry = self._inner.get_now(key)
        return None if entry is None else self._opened(entry)

    async def range(
        self, prefix: str, *, start: str = "", limit: int | None = None, at: Revision | None = None
    ) -> Range:
        found = await self._inner.range(prefix, start=start, limit=limit, at=at)
        return replace(found, entries=[self._opened(entry) for entry in found.entries])

    async def transact(
        self, *, require: Sequence[Condition] = (), write: Sequence[Write], within: float = 0.0
    ) -> Committed | Refused:
        outcome = await self._inner.transact(require=require, write=[self._sealed(one) for one in write], within=within)
        if isinstance(outcome, Committed):
            return replace(outcome, changes=tuple(map(self._opened_change, outcome.changes)))
        return replace(outcome, current=self._opened(outcome.current)) if outcome.current else outcome

    def watch(self, prefix: str, *, after: Revision) -> Watch:
        return _OpenedWatch(self._inner.watch(prefix, after=after), self._opened_change)

    async def compact(self, through: Revision) -> None:
        await self._inner.compact(through)

    async def close(self) -> None:
        self.close_services()
        await self._inner.close()

    # sealing and opening

    def _sealed(self, write: Write) -> Write:
        sealer = self._sealer_of(write.key) if isinstance(write, Put) else None
        if sealer is None or not isinstance(write, Put):
            return write
        began = perf_counter()
        value = sealer.seal(write.value, write.key)
        self._note("to_storage", write.key, sealer.prefix, began)
        return Put(write.key, value)

    def _opened(self, entry: Entry) -> Entry:
        """Raises Undecipherable."""
        sealer = self._sealer_of(entry.key)
        if sealer is None or not entry.value:
            return entry
        began = perf_counter()
        try:
            value = sealer.open(entry.value, entry.key)
        except Unopened as error:
            self.operations.add(_kind_text(entry.key), "from_storage", "unknown", "unknown-non-grpc")
            raise Undecipherable(entry.key, str(error)) from error
        self._note("from_storage", entry.key, sealer.prefix, began)
        return entry if value is entry.value else replace(entry, value=value)

    def _opened_change(self, change: Change) -> Change:
        previous = None if change.previous is None else self._opened(change.previous)
        return Change(change.type, self._opened(change.entry), previous)

    def _note(self, direction: str, key: str, prefix: bytes, began: float) -> None:
        shown = prefix.decode() or "identity"
        self.operations.add(_kind_text(key), direction, shown, "OK")
        self.seconds[direction, shown].observe(perf_counter() - began)

    def _sealer_of(self, key: str) -> Prefixed | None:
        kind = self._kind_of(key)
        if kind is None:
            return None
        try:
            return self._found[kind]
        except KeyError:
            group, _ = kind
            rules = (self._rules.get(one) for one in (kind, (group, ANY), (ANY, ANY)))
            found = self._found[kind] = next((rule for rule in rules if rule is not None), None)
            return found

    def _kind_of(self, key: str) -> GroupResource | None:
        """By where it is stored; what users define is stored under its group."""
        first, _, rest = key.removeprefix(ROOT).partition("/")
        second = rest.partition("/")[0]
        found = self._kinds.get(f"{ROOT}{first}/{second}/") or self._kinds.get(f"{ROOT}{first}/")
        if found is None and "." in first and second:
            return first, second
        return found


class _OpenedWatch:
    def __init__(self, inner: Watch, opened: Callable[[Change], Change]) -> None:
        self._inner = inner
        self._opened = opened

    def __aiter__(self) -> AsyncIterator[tuple[Change, ...]]:
        return self

    async def __anext__(self) -> tuple[Change, ...]:
        return tuple(map(self._opened, await self._inner.__anext__()))

    async def __aenter__(self) -> _OpenedWatch:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._inner.__aexit__(*exc)

    def close(self) -> None:
        self._inner.close()


def _kind_text(key: str) -> str:
    return key.removeprefix(ROOT).partition("/")[0]
