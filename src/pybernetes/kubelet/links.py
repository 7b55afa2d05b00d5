"""Directories under the paths where tools look for them, when the node keeps them elsewhere.

Guarantees  Only links are made and removed; what already has the name is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path


def publish(directory: Path, place: Path | None) -> None:
    """Makes `directory` known in `place` by its own name."""
    if place is None:
        return
    place.mkdir(parents=True, exist_ok=True)
    link = place / directory.name
    if not os.path.lexists(link):
        link.symlink_to(directory)


def withdraw(directory: Path, place: Path | None) -> None:
    if place is not None and (link := place / directory.name).is_symlink():
        link.unlink(missing_ok=True)
