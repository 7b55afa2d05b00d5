"""`$(NAME)` references in commands, arguments, variables and sub-paths.

Guarantees  `$(NAME)` becomes the variable's value; `$$` is a literal dollar; a reference to an unknown variable
            stays as written.
Follows     third_party/forked/golang/expansion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Lookup = Callable[[str], str | None]


def from_mappings(*mappings: Mapping[str, str]) -> Lookup:
    """The first mapping that knows a name wins."""

    def look_up(name: str) -> str | None:
        return next((mapping[name] for mapping in mappings if name in mapping), None)

    return look_up


def expand(text: str, look_up: Lookup) -> str:
    """`text` with every known reference replaced."""
    if "$" not in text:
        return text
    parts: list[str] = []
    at = 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            parts.append(text[at])
            at += 1
            continue
        following = text[at + 1]
        if following == "$":
            parts.append("$")
            at += 2
        elif following == "(" and (end := text.find(")", at + 2)) >= 0:
            name = text[at + 2 : end]
            value = look_up(name)
            parts.append(f"$({name})" if value is None else value)
            at = end + 1
        elif following == "(":
            parts.append("$(")
            at += 2
        else:
            parts.append("$" + following)
            at += 2
    return "".join(parts)


def expand_all(texts: Sequence[str], look_up: Lookup) -> list[str]:
    return [expand(text, look_up) for text in texts]


def unresolved(text: str, look_up: Lookup) -> list[str]:
    """The names that `text` refers to and nobody gives a value, by name: an error where a path is made of it."""
    missing: list[str] = []

    def note(name: str) -> str | None:
        value = look_up(name)
        if not value:
            missing.append(name)
        return value

    expand(text, note)
    return sorted(set(missing))
