"""`find` and `findAll`.

Follows k8s.io/apiserver/pkg/cel/library/regex.go.
"""

from __future__ import annotations

from itertools import islice

from pybernetes.cel.functions import Library
from pybernetes.cel.patterns import compiled

LIBRARY = Library()


@LIBRARY.method("find", "string, string -> string")
def find(text: str, pattern: str) -> str:
    found = compiled(pattern).search(text)
    return found[0] if found is not None else ""


@LIBRARY.method("findAll", "string, string -> list(string)", "string, string, int -> list(string)")
def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = compiled(pattern).finditer(text)
    return [one[0] for one in (found if limit < 0 else islice(found, limit))]
