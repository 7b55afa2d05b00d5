"""Names of properties as identifiers of expressions: `namespace` is `__namespace__`, `a-b` is `a__dash__b`.

Follows k8s.io/apiserver/pkg/cel/escaping.go.
"""

from __future__ import annotations

import re

RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_PROPERTY = re.compile(r"[a-zA-Z_./-][a-zA-Z0-9_./-]*")
_ESCAPED = re.compile(r"__|[-./]")


def escape(name: str) -> str | None:
    """None for a name that expressions cannot write."""
    if name in RESERVED:
        return f"__{name}__"
    if _PROPERTY.fullmatch(name) is None:
        return None
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0]], name)
