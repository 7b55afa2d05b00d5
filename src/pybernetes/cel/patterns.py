"""Regular expressions of RE2, which take time linear in the text.

Follows Go's regexp, as k8s.io/apiserver/pkg/cel/library/regex.go uses it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pybernetes.cel.errors import CelError


@lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """A compiled pattern with `search` and `finditer`; raises ``CelError``."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        message = error.args[0].decode() if isinstance(error.args[0], bytes) else error.args[0]
        raise CelError(f"error parsing regexp: {message.replace(': ', ': `', 1)}`") from None
