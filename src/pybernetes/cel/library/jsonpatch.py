"""`jsonpatch.escapeKey("a/b")`.

Follows k8s.io/apiserver/pkg/cel/library/jsonpatch.go.
"""

from __future__ import annotations

from pybernetes.cel.functions import Library

LIBRARY = Library()


@LIBRARY.function("jsonpatch.escapeKey", "string -> string")
def escape_key(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
