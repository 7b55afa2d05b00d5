"""Names and uids that the server gives to new objects.

Follows k8s.io/apiserver/pkg/storage/names and rest/create.go.
"""

from __future__ import annotations

from random import Random

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
RANDOM_LENGTH = 5
LONGEST_PREFIX = 63 - RANDOM_LENGTH
ATTEMPTS = 8
_FREE = ~(0xF << 76 | 0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62


def generated_name(prefix: str, random: Random) -> str:
    return prefix[:LONGEST_PREFIX] + random_suffix(random)


def random_suffix(random: Random, length: int = RANDOM_LENGTH) -> str:
    return "".join(random.choices(ALPHABET, k=length))


def new_uid(random: Random) -> str:
    bits = random.getrandbits(128) & _FREE | _VERSION_4
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
