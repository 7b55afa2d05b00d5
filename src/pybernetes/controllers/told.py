"""Events that plans decide on and controllers then record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Told:
    type: str
    reason: str
    message: str
