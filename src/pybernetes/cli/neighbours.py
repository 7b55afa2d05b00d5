"""The clusters of this machine know of each other, whether they run or not, so that none takes what another has.

Guarantees  Between `alone` and its end no other cluster of root's chooses ranges, ports or directories.
            A cluster is listed from its first `p8s up` until it is purged or its directory is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from pybernetes.cli.layout import Layout, Settings

LISTING = Path("/var/lib/pybernetes/.clusters")


@contextlib.contextmanager
def alone(listing: Path = LISTING) -> Iterator[None]:
    """Only root's clusters are listed: others have no containers, and no place that all could write to."""
    if os.geteuid() != 0:
        yield
        return
    descriptor = _locked(listing)
    try:
        yield
    finally:
        os.close(descriptor)


def _locked(listing: Path) -> int:
    """The lock is on the directory, which the last cluster to be purged removes: then there is a new one to lock."""
    while True:
        listing.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(listing, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), listing.stat()):
                return descriptor
        os.close(descriptor)


def enlist(root: Path, listing: Path = LISTING) -> None:
    if os.geteuid() == 0:
        _entry(root, listing).write_text(f"{root}\n")


def strike(root: Path, listing: Path = LISTING) -> None:
    _entry(root, listing).unlink(missing_ok=True)
    for directory in (listing, listing.parent):
        with contextlib.suppress(OSError):
            directory.rmdir()  # only when there is no other


def others(root: Path, listing: Path = LISTING) -> list[Settings]:
    """What the other clusters were started with."""
    found = []
    for entry in sorted(listing.iterdir()) if listing.is_dir() else ():
        other = Path(entry.read_text().strip())
        settings = Layout(other).read_settings()
        if settings is None:
            entry.unlink(missing_ok=True)
        elif other != root:
            found.append(settings)
    return found


def _entry(root: Path, listing: Path) -> Path:
    return listing / hashlib.sha256(str(root).encode()).hexdigest()[:12]
