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
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
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


class _Frugal(Loader):
    """Imports a module without the certificates that it reads."""

    def __init__(self, usual: Loader) -> None:
        self._usual = usual

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._usual.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        usual = ssl.create_default_context
        ssl.create_default_context = lambda *_, **__: _ReadLate(ssl.PROTOCOL_TLS_CLIENT)
        try:
            self._usual.exec_module(module)
        finally:
            ssl.create_default_context = usual


class _Connections(MetaPathFinder):
    """Finds the module of aiohttp that reads certificates."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == "aiohttp.connector" else None
        if spec is not None and spec.loader is not None:
            spec.loader = _Frugal(spec.loader)
        return spec


sys.meta_path.insert(0, _Connections())
