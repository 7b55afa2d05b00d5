"""Sizes and the standard functions on strings.

Follows github.com/google/cel-go/common/stdlib/standard.go.
"""

from __future__ import annotations

from pybernetes.cel.functions import Library
from pybernetes.cel.patterns import compiled

LIBRARY = Library()
_SIZED = ("bytes -> int", "list(A) -> int", "string -> int", "map(A, B) -> int")

LIBRARY.function("size", *_SIZED)(len)
LIBRARY.method("size", *_SIZED)(len)
LIBRARY.method("contains", "string, string -> bool")(lambda text, part: part in text)
LIBRARY.method("startsWith", "string, string -> bool")(lambda text, part: text.startswith(part))
LIBRARY.method("endsWith", "string, string -> bool")(lambda text, part: text.endswith(part))


@LIBRARY.function("matches", "string, string -> bool")
@LIBRARY.method("matches", "string, string -> bool")
def matches(text: str, pattern: str) -> bool:
    return compiled(pattern).search(text) is not None
