"""What was worked out of texts lately: the objects of one template have parts with equal texts."""

from __future__ import annotations

from typing import Generic, TypeVar

MOST = 1024
LONGEST = 16_384
"""Bytes of a text; longer ones are rarely seen twice."""

Value = TypeVar("Value")


class Recent(Generic[Value]):
    """Takes no long text, and forgets everything when it is full."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, Value] = {}

    def get(self, text: bytes) -> Value | None:
        return self._known.get(text)

    def keep(self, text: bytes, value: Value) -> None:
        if len(text) > LONGEST:
            return
        if len(self._known) >= MOST:
            self._known.clear()
        # A copy, because what orjson returns holds on to its buffer of several times the size.
        self._known[bytes(memoryview(text))] = value
