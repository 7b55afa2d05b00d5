"""The options of the controllers: which run, whom they act as, what they publish; with upstream's names and rules.

They are remembered in the cluster's settings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.api.features import GENERIC_WORKLOAD
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.controllers import Controller

F = TypeVar("F", bound=Callable[..., Any])
ALL = "*"
OF_FEATURES = ("podgroup-protection-controller",)


def choose_controllers(function: F) -> F:
    """--controllers, --use-service-account-credentials and --root-ca-file."""
    function = click.option(
        "--root-ca-file",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        help="The authority by which pods trust the API server. [default: the cluster's own, or the kubeconfig's]",
    )(function)
    function = click.option(
        "--use-service-account-credentials",
        type=bool,
        help="Whether each controller acts as a service account of its own. [default: true]",
    )(function)
    return click.option(
        "--controllers",
        metavar="NAMES",
        help="Which controllers run, comma-separated: * is all that are on by default, NAME turns one on, -NAME off."
        " [default: *]",
    )(function)


def chosen_controllers(settings: Settings) -> list[type[Controller]]:
    """Raises UnknownController."""
    from pybernetes.controllers import CONTROLLERS, select

    return select(CONTROLLERS, wanted_controllers(settings))


def wanted_controllers(settings: Settings) -> list[str]:
    """What was named, and those that the features which are on bring with them."""
    named = [word.strip() for word in settings.controllers.split(",") if word.strip()]
    return [*named, *(OF_FEATURES if GENERIC_WORKLOAD in settings.feature_gates and ALL in named else ())]


def check_controllers(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    if settings.controllers == ALL:
        return
    from pybernetes.controllers import UnknownController

    try:
        chosen_controllers(settings)
    except UnknownController as error:
        raise Problem(str(error), "docs/controllers.md lists what there is") from error
