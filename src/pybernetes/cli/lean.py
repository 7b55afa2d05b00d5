"""A quick start and a small memory for long-running processes. Import this before anything else of ours.

What is imported at the start lives as long as the process: the garbage collector is off meanwhile, which saves a tenth
of the time, and afterwards leaves all that alone.
aiohttp reads all certificates that the machine trusts when it is imported: 2.5 MB in every process, for connections
that hardly any makes. Here they are read at the first connection that asks for them.
structlog imports rich, for coloured tracebacks, whenever it is installed: 60 ms and 6 MB in every process, for logs
that go to files. It is told that rich is absent; whoever imports rich afterwards gets it.
"""

from __future__ import annotations

import gc
import ssl
import sys
from typing import Any

SETTLED_AFTER = 3.0
"""Seconds after which a process has what it needs."""

gc.disable()


def settle() -> None:
    gc.collect()
    gc.freeze()
    gc.enable()


_modules: dict[str, Any] = sys.modules

if "rich" not in _modules and "structlog" not in _modules:
    _modules["rich"] = None
    import structlog  # noqa: F401

    del _modules["rich"]


class _ReadLate(ssl.SSLContext):
    """Trusts what the machine trusts, from its first connection on."""

    _read = False

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        if not self._read:
            self._read = True
            self.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return super().wrap_bio(*arguments, **options)


if "aiohttp" not in _modules:
    _usual = ssl.create_default_context
    ssl.create_default_context = lambda *_, **__: _ReadLate(ssl.PROTOCOL_TLS_CLIENT)
    try:
        import aiohttp.connector  # noqa: F401
    finally:
        ssl.create_default_context = _usual
