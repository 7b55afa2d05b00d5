"""The proxy against a kernel that only listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from network.builders import NODE, service, slice_of
from pybernetes.api.meta import Key
from pybernetes.network.command import CommandFailed
from pybernetes.network.proxy.conntrack import Stale
from pybernetes.network.proxy.proxy import ServiceProxy


class Watched:
    """An informer whose objects a test puts in by hand."""

    def __init__(self) -> None:
        self.objects: dict[Key, Any] = {}
        self._handlers: list[Callable[[Any, Any], None]] = []
        self._indexes: dict[str, Callable[[Any], Sequence[str]]] = {}

    def put(self, one: Any) -> None:
        key = Key(one.metadata.namespace, one.metadata.name)
        old, self.objects[key] = self.objects.get(key), one
        for handler in self._handlers:
            handler(old, one)

    def remove(self, one: Any) -> None:
        self.objects.pop(Key(one.metadata.namespace, one.metadata.name))
        for handler in self._handlers:
            handler(one, None)

    def on_change(self, handler: Callable[[Any, Any], None]) -> None:
        self._handlers.append(handler)

    def add_index(self, name: str, function: Callable[[Any], Sequence[str]]) -> None:
        self._indexes[name] = function

    def get(self, key: Key) -> Any:
        return self.objects.get(key)

    def list(self) -> list[Any]:
        return list(self.objects.values())

    def by_index(self, name: str, value: str) -> list[Any]:
        return [one for one in self.objects.values() if value in self._indexes[name](one)]


class Recorder:
    def __init__(self) -> None:
        self.transactions: list[str] = []
        self.refuse = False

    async def apply(self, transaction: str) -> None:
        if self.refuse:
            raise CommandFailed(("nft",), 1, "no")
        self.transactions.append(transaction)

    async def forget(self, flows: Sequence[Stale]) -> None:
        return


class Bench:
    def __init__(self) -> None:
        self.services, self.slices, self.pods, self.kernel = Watched(), Watched(), Watched(), Recorder()
        watched = (cast(Any, self.services), cast(Any, self.slices), cast(Any, self.pods))
        self.proxy = ServiceProxy(*watched, NODE, self.kernel)


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    made.services.put(service("web", "10.96.0.20"))
    made.services.put(service("db", "10.96.0.21"))
    made.slices.put(slice_of("web", "10.244.0.5"))
    return made


async def test_the_first_transaction_is_the_whole_table(bench: Bench) -> None:
    await bench.proxy.sync()
    (transaction,) = bench.kernel.transactions
    assert transaction.startswith(f"add table ip {NODE.table}\ndelete table ip {NODE.table}\n")
    assert "dnat to 10.244.0.5:8080" in transaction


async def test_later_ones_hold_only_the_service_that_changed(bench: Bench) -> None:
    await bench.proxy.sync()
    bench.slices.put(slice_of("web", "10.244.0.5", "10.244.0.6"))
    await bench.proxy.sync()
    assert "dnat to 10.244.0.6:8080" in bench.kernel.transactions[1]
    assert "default/db" not in bench.kernel.transactions[1]


async def test_a_change_that_changes_no_rule_needs_no_transaction(bench: Bench) -> None:
    await bench.proxy.sync()
    bench.slices.put(slice_of("web", "10.244.0.5"))
    await bench.proxy.sync()
    assert len(bench.kernel.transactions) == 1


async def test_a_service_that_is_gone_takes_its_rules_along(bench: Bench) -> None:
    await bench.proxy.sync()
    bench.services.remove(bench.services.get(Key("default", "web")))
    await bench.proxy.sync()
    assert "delete element ip p8s-test service-ips { 10.96.0.20 . tcp . 80" in bench.kernel.transactions[1]
    assert "delete chain ip p8s-test service-" in bench.kernel.transactions[1]


async def test_a_refused_change_is_not_taken_for_done(bench: Bench) -> None:
    await bench.proxy.sync()
    bench.slices.put(slice_of("web", "10.244.0.6"))
    bench.kernel.refuse = True
    with pytest.raises(CommandFailed):
        await bench.proxy.sync()
    bench.kernel.refuse = False
    bench.proxy.start_anew()
    await bench.proxy.sync()
    assert bench.kernel.transactions[-1].startswith(f"add table ip {NODE.table}\ndelete table")
    assert "dnat to 10.244.0.6:8080" in bench.kernel.transactions[-1]


async def test_another_zone_of_the_node_means_the_whole_table(bench: Bench) -> None:
    await bench.proxy.sync()
    bench.proxy.place("")
    await bench.proxy.sync()
    assert len(bench.kernel.transactions) == 1
    bench.proxy.place("west")
    await bench.proxy.sync()
    assert bench.kernel.transactions[-1].startswith(f"add table ip {NODE.table}\ndelete table")
