"""The options by which an operator configures the scheduler, as upstream's --config, and plugins of one's own.

They are remembered in the cluster's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.flags import Flag, Kind, choose
from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.api.features import Features
    from pybernetes.scheduler.configuration.loading import Configuration
    from pybernetes.scheduler.registry import Row

FEATURES = (
    Flag("feature-gates", "Features that are off in v1.36 and shall be on.", Kind.PAIRS),
    Flag("runtime-config", "Versions of the API that are not served by default.", Kind.PAIRS),
)
F = TypeVar("F", bound=Callable[..., Any])


def _joined(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str | None:
    return ",".join(value) if value else None


def choose_scheduling(function: F) -> F:
    """--config, --plugin, and the features of v1.36 that are off."""
    function = choose(FEATURES)(function)
    function = click.option(
        "--plugin",
        "scheduler_plugins",
        multiple=True,
        callback=_joined,
        metavar="MODULE:NAME",
        help="A scheduler plugin of your own, in Python; may be given several times.",
    )(function)
    return click.option(
        "--config",
        "scheduler_config",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        help="The scheduler's configuration: a KubeSchedulerConfiguration or a classic Policy.",
    )(function)


def features_of(settings: Settings) -> Features:
    """Raises Problem."""
    from pybernetes.api.features import InvalidFeatures, parse

    try:
        return parse(settings.feature_gates)
    except InvalidFeatures as error:
        raise Problem(str(error), "docs/scheduler.md tells what can be turned on") from error


def scheduling_of(settings: Settings) -> tuple[Configuration, Mapping[str, Row]]:
    """What was configured, and the plugins that there are. Raises ConfigurationError."""
    from pybernetes.scheduler.configuration.loading import default_configuration, load
    from pybernetes.scheduler.plain_plugins import rows_with
    from pybernetes.scheduler.registry import argument_types, with_features

    rows = with_features(rows_with(_names(settings.scheduler_plugins)), features_of(settings))
    if not settings.scheduler_config:
        return default_configuration(), rows
    return load(Path(settings.scheduler_config), argument_types(rows)), rows


def check_scheduling(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    features = features_of(settings)
    _check_versions(settings, features)
    if not (settings.scheduler_config or settings.scheduler_plugins):
        return
    from pybernetes.scheduler.configuration.merging import ConfigurationError
    from pybernetes.scheduler.profiles import check

    try:
        check(*scheduling_of(settings), features)
    except ConfigurationError as error:
        raise Problem(str(error), "docs/scheduler.md tells what can be configured") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _check_versions(settings: Settings, features: Features) -> None:
    if not settings.runtime_config:
        return
    from pybernetes.apiserver.runtime_config import InvalidRuntimeConfig, chosen_modules

    try:
        chosen_modules(settings.runtime_config, features)
    except InvalidRuntimeConfig as error:
        raise Problem(str(error), "docs/scheduler.md tells what can be served") from error
