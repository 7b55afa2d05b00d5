"""Names, uids and times that the server gives to new objects.

Follows k8s.io/apiserver/pkg/storage/names and rest/create.go.
"""

from __future__ import annotations

from random import Random
from uuid import UUID

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
RANDOM_LENGTH = 5
LONGEST_PREFIX = 63 - RANDOM_LENGTH
ATTEMPTS = 8


def generated_name(prefix: str, random: Random) -> str:
    return prefix[:LONGEST_PREFIX] + random_suffix(random)


def random_suffix(random: Random, length: int = RANDOM_LENGTH) -> str:
    return "".join(random.choices(ALPHABET, k=length))


def new_uid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))
