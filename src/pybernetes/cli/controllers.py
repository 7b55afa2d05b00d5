"""The option by which an operator chooses controllers, with upstream's names and rules.

It is remembered in the cluster's settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.controllers import Controller

F = TypeVar("F", bound=Callable[..., Any])
ALL = "*"


def choose_controllers(function: F) -> F:
    """--controllers."""
    return click.option(
        "--controllers",
        metavar="NAMES",
        help="Which controllers run, comma-separated: * is all that are on by default, NAME turns one on, -NAME off."
        " [default: *]",
    )(function)


def chosen_controllers(settings: Settings) -> list[type[Controller]]:
    """Raises UnknownController."""
    from pybernetes.controllers import CONTROLLERS, select

    return select(CONTROLLERS, [word.strip() for word in settings.controllers.split(",") if word.strip()])


def check_controllers(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    if settings.controllers == ALL:
        return
    from pybernetes.controllers import UnknownController

    try:
        chosen_controllers(settings)
    except UnknownController as error:
        raise Problem(str(error), "docs/controllers.md lists what there is") from error
