"""The features that this process serves with, beside those that v1.36 has turned on: as upstream's, one choice for all.

``turn_on`` is called before a server is built; what is compiled asks ``is_on`` when it is used.
"""

from __future__ import annotations

from pybernetes.api.features import NONE, Features

_on: Features = NONE


def turn_on(features: Features) -> None:
    """These, and no others."""
    global _on
    _on = features


def is_on(feature: str) -> bool:
    return feature in _on
