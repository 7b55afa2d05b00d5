"""The JSON of a long list, made piece by piece while it goes out: it need never stand in memory as a whole.

Guarantees  It shows the objects that were found, whatever is written meanwhile, and its length is known before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

PIECE = 256 * 1024
"""Bytes that are written at once: enciphered in the processor's cache, and read by the client meanwhile."""
_END = b"]}\n"


class ListBody:
    """``start`` up to the first item; ``make`` gives the items of some of ``found``, whose bytes are ``extent`` in all.

    There must be one at least.
    """

    __slots__ = ("_found", "_length", "_make", "_start")

    def __init__(self, start: bytes, found: Sequence[Any], make: Callable[[Any], list[bytes]], extent: int) -> None:
        self._start = start
        self._found = found
        self._make = make
        self._length = len(start) + extent + len(found) - 1 + len(_END)

    @classmethod
    def of(cls, start: bytes, items: list[bytes]) -> ListBody:
        """Of items that are made already."""
        return cls(start, items, list, sum(map(len, items)))

    def __len__(self) -> int:
        return self._length

    def pieces(self, lead: bytes = b"", end: bytes = b"") -> Iterator[bytes]:
        """``lead`` goes out with the first, ``end`` with the last."""
        found = self._found
        most = max(1, PIECE * len(found) // self._length)
        lead += self._start
        for at in range(0, len(found), most):
            items = self._make(found[at : at + most])
            items[0] = lead + items[0]
            if at + most >= len(found):
                items[-1] += _END + end
            yield b",".join(items)
            lead = b","

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces():
            yield piece

    def whole(self) -> bytes:
        return b"".join(self.pieces())
