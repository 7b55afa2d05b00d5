"""Files of environment variables that a container leaves in a volume for those that start after it.

Guarantees  A line is `NAME='value'`; the value is between single quotes as it stands and may have several lines. Blank
            lines and comments are passed over. A file that is not so is refused as a whole where it is read; what
            follows the wanted name is not read.
Follows     pkg/kubelet/util/env/env_util.go (ParseEnv).
"""

from __future__ import annotations

import re

_BLANK = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|$)")
_NAME = re.compile(r"[ \t]*([^=\n]*)=")
_EMPTY = re.compile(r"()[ \t][^\n]*(?:\n|$)")
_VALUE = re.compile(r"'([^']*)'[ \t]*(?:#[^\n]*)?(?:\n|$)")


def value_of(text: str, key: str) -> str:
    """The value under the name, or nothing; ValueError when the file is not as it should be."""
    text = text.replace("\r\n", "\n")
    at = 0
    while at < len(text):
        blank = _BLANK.match(text, at)
        if blank is not None:
            at = blank.end()
            continue
        name = _NAME.match(text, at)
        if name is None or not name[1] or name[1] != name[1].rstrip(" \t"):
            raise ValueError(f"invalid environment variable format at line {_line(text, at)}")
        # As in a shell, a blank after the sign ends an empty value.
        value = _EMPTY.match(text, name.end()) or _VALUE.match(text, name.end())
        if value is None:
            raise ValueError(f"invalid environment variable format at line {_line(text, at)}")
        if name[1] == key:
            return value[1]
        at = value.end()
    return ""


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
