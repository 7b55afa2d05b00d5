"""Events that were lost, by where that happened, as upstream's metrics name it."""

from __future__ import annotations


class Losses(dict[str, int]):
    def add(self, plugin: str, number: int = 1) -> None:
        self[plugin] = self.get(plugin, 0) + number
