"""What goes wrong with expressions: at compilation (``CompileError``) and at evaluation (``CelError``).

Follows github.com/google/cel-go/common/error.go for the form of messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class CelError(Exception):
    """An evaluation failed; the message is what clients see (`no such key: x`)."""


class CostExceeded(CelError):
    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")


class CompileError(Exception):
    """An expression is not valid; the message is the list of all issues, as it stands in answers."""

    @classmethod
    def of(cls, text: str, issues: Iterable[Issue]) -> CompileError:
        ordered = sorted(dict.fromkeys(issues), key=lambda issue: issue.offset)
        return cls("\n".join(issue.shown(text) for issue in ordered))


@dataclass(frozen=True, slots=True)
class Issue:
    offset: int
    message: str

    def shown(self, text: str) -> str:
        line_start = text.rfind("\n", 0, self.offset) + 1
        line_number = text.count("\n", 0, line_start) + 1
        column = self.offset - line_start
        line_end = text.find("\n", line_start)
        line = text[line_start : len(text) if line_end < 0 else line_end].replace("\t", " ")
        marks = "".join("." if letter.isascii() else "．" for letter in line[:column])
        pointer = "^" if column >= len(line) or line[column].isascii() else "＾"
        return f"ERROR: <input>:{line_number}:{column + 1}: {self.message}\n | {line}\n | {marks}{pointer}"
