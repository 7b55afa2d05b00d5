from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from pybernetes.api.meta import Key
from pybernetes.api.models import apps_v1, meta_v1
from pybernetes.controllers.own_writes import OwnWrites

WEB, OTHER = Key("default", "web"), Key("default", "other")


def at(version: str) -> apps_v1.ReplicaSet:
    return apps_v1.ReplicaSet(metadata=meta_v1.ObjectMeta(resource_version=version))


def test_a_write_is_seen_when_the_informer_has_come_so_far() -> None:
    informer = SimpleNamespace(version=4)
    writes = OwnWrites(cast(Any, informer))
    assert writes.are_seen(WEB)
    writes.wrote(WEB, at("7"))
    writes.wrote(WEB, at("6"))
    assert not writes.are_seen(WEB)
    assert writes.are_seen(OTHER)
    informer.version = 7
    assert writes.are_seen(WEB)
    informer.version = 0
    assert writes.are_seen(WEB)


def test_an_informer_that_lists_anew_shows_nothing_yet() -> None:
    informer = SimpleNamespace(version=0)
    writes = OwnWrites(cast(Any, informer))
    writes.wrote(WEB, at("7"))
    assert not writes.are_seen(WEB)
    writes.forget(WEB)
    assert writes.are_seen(WEB)
