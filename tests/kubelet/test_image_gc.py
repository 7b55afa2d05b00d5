"""Which images go when the disk gets full."""

from __future__ import annotations

from datetime import timedelta

from kubelet.observations import NOW
from pybernetes.kubelet.image_gc import Disk, to_remove
from pybernetes.kubelet.runtime import Image

OLD, OLDER = Image("old", size=10), Image("older", size=10)
LAST_USED = {"old": NOW - timedelta(hours=1), "older": NOW - timedelta(hours=2)}


def chosen(used: int, *images: Image) -> list[str]:
    return [image.id for image in to_remove(images, LAST_USED, NOW, Disk(used, 100), 85, 80)]


def test_nothing_goes_while_there_is_room() -> None:
    assert chosen(85, OLD, OLDER) == []


def test_the_least_recently_used_go_first_until_enough_is_free() -> None:
    assert chosen(86, OLD, OLDER) == ["older"]
    assert chosen(95, OLD, OLDER) == ["older", "old"]


def test_pinned_and_fresh_images_stay() -> None:
    assert chosen(95, Image("pause", size=10, pinned=True), Image("new", size=10)) == []
