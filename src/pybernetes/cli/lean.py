"""Keeps what a long-running process does not need out of its memory. Import this before anything that logs.

structlog imports rich, for coloured tracebacks, whenever it is installed: 60 ms and 6 MB in every process, for logs
that go to files. It is told that rich is absent; whoever imports rich afterwards gets it.
"""

from __future__ import annotations

import sys
from typing import Any

_modules: dict[str, Any] = sys.modules

if "rich" not in _modules and "structlog" not in _modules:
    _modules["rich"] = None
    import structlog  # noqa: F401

    del _modules["rich"]
