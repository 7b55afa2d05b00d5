"""An object is wanted in another version, and converting it has to be waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")


class Unconverted(Exception):
    """Ends what was begun: it is begun again once ``convert`` has seen to it that the object is there."""

    def __init__(self, convert: Callable[[], Awaitable[None]]) -> None:
        super().__init__("an object has to be converted first")
        self.convert = convert


async def converting(asked: Unconverted, work: Callable[[], T]) -> T:
    """What ``work`` gives when all is there that it asks for; ``asked`` is what it asked for first."""
    while True:
        await asked.convert()
        try:
            return work()
        except Unconverted as again:
            asked = again
