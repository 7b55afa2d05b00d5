"""Refusals that a user can act on: one sentence with what is wrong and what to do, and an exit code that is not 0."""

from __future__ import annotations

import click


class Problem(click.ClickException):
    """`what` happened, and what to `do` about it."""

    exit_code = 1

    def __init__(self, what: str, do: str) -> None:
        super().__init__(f"{what.rstrip('.')}: {do.rstrip('.')}.")
        self.what = what
        self.do = do


class NotBuilt(Problem):
    """A part of the contract that does not exist yet."""

    exit_code = 3

    def __init__(self, what: str) -> None:
        super().__init__(f"`{what}` is not built yet", "it will come with a later version; nothing was changed")
