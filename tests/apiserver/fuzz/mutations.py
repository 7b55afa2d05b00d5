"""Bodies that are almost right: cut short, with a bit flipped, with a byte too many or some missing."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

BYTES = bytes([0, 9, 10, 12, 34, 44, 47, 58, 91, 92, 93, 123, 125, 0x7F, 0x80, 0xC0, 0xED, 0xFF])
"""Those that mean something in JSON, YAML and UTF-8."""


def mutations(body: bytes, random: Random, count: int) -> Iterator[bytes]:
    for _ in range(count):
        at = random.randrange(len(body))
        changed = bytearray(body)
        match random.randrange(4):
            case 0:
                del changed[at:]
            case 1:
                changed[at] ^= 1 << random.randrange(8)
            case 2:
                changed.insert(at, random.choice(BYTES))
            case _:
                del changed[at : at + random.randrange(1, 8)]
        yield bytes(changed)


def every_beginning(body: bytes) -> Iterator[bytes]:
    return (body[:length] for length in range(len(body)))
