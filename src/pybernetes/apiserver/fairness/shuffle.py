"""Shuffle sharding: a flow is dealt the same few queues each time, and two flows seldom the same hand. Pure.

Follows k8s.io/apiserver/pkg/util/shufflesharding.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256


@lru_cache(maxsize=4096)
def flow_hash(schema: str, distinguisher: str) -> int:
    """64 bits that stand for a flow."""
    digest = sha256(schema.encode() + b"\0" + distinguisher.encode()).digest()
    return int.from_bytes(digest[:8], "little")


@lru_cache(maxsize=4096)
def deal(value: int, deck: int, hand: int) -> tuple[int, ...]:
    """``hand`` different cards of ``range(deck)``, as the value says."""
    remainders: list[int] = []
    for taken in range(hand):
        value, remainder = divmod(value, deck - taken)
        remainders.append(remainder)
    cards = []
    for position, card in enumerate(remainders):
        for earlier in reversed(remainders[:position]):
            if card >= earlier:
                card += 1
        cards.append(card)
    return tuple(cards)
