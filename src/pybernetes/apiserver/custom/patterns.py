"""Regular expressions of users' schemas, in the syntax and with the linear time of Go's: RE2.

Follows Go's regexp/syntax for the wording of what is wrong with one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import re2

_WORDING = {
    "missing )": "missing closing )",
    "missing ]": "missing closing ]",
    "no argument for repetition operator": "missing argument to repetition operator",
    "bad repetition operator": "invalid nested repetition operator",
    "invalid repetition size": "invalid repeat count",
    "invalid named capture group": "invalid named capture",
    "trailing \\": "trailing backslash at end of expression",
    "invalid perl operator": "invalid or unsupported Perl syntax",
    "unexpected )": "unexpected )",
}
"""RE2's words for a mistake → Go's."""


class PatternError(ValueError):
    """The text is Go's."""


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], object]:
    """Whether a text has the pattern somewhere. Raises ``PatternError``."""
    options = re2.Options()
    options.log_errors = False
    try:
        search: Callable[[str], object] = re2.compile(pattern, options).search
    except re2.error as error:
        raise PatternError(_worded(error.args[0], pattern)) from error
    return search


def _worded(message: bytes | str, pattern: str) -> str:
    what, _, part = (message.decode() if isinstance(message, bytes) else message).partition(": ")
    if what in ("missing )", "unexpected )"):
        part = pattern
    words = f"error parsing regexp: {_WORDING.get(what, what)}"
    return f"{words}: `{part}`" if part else f"{words}: ``" if what.startswith("trailing") else words
