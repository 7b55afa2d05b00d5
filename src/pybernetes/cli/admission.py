"""The options by which an operator chooses admission plugins, with upstream's names.

They are remembered in the cluster's settings, as one text each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.apiserver.admission.catalog import AdmissionOptions

F = TypeVar("F", bound=Callable[..., Any])
ALWAYS = ("NodeRestriction",)
"""Not among upstream's defaults, but every installer turns it on: without it a node may write about others."""


def _joined(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> str | None:
    return ",".join(value) if value else None


def choose_plugins(function: F) -> F:
    """--enable-admission-plugins and its like."""
    function = click.option(
        "--admission-plugin",
        "admission_plugins",
        multiple=True,
        callback=_joined,
        metavar="MODULE:CLASS",
        help="A plugin of your own, in Python; may be given several times.",
    )(function)
    function = click.option(
        "--admission-control-config-file",
        type=click.Path(exists=True, dir_okay=False, resolve_path=True),
        help="The configuration of admission plugins (an AdmissionConfiguration).",
    )(function)
    function = click.option(
        "--disable-admission-plugins",
        multiple=True,
        callback=_joined,
        metavar="NAMES",
        help="Plugins that are on by default and shall be off, comma-separated.",
    )(function)
    return click.option(
        "--enable-admission-plugins",
        multiple=True,
        callback=_joined,
        metavar="NAMES",
        help="Further plugins that shall be on, comma-separated.",
    )(function)


def admission_options(settings: Settings) -> AdmissionOptions:
    from pybernetes.apiserver.admission.catalog import AdmissionOptions

    disabled = _names(settings.disable_admission_plugins)
    always = tuple(name for name in ALWAYS if name not in disabled)
    return AdmissionOptions(
        enable=(*always, *_names(settings.enable_admission_plugins)),
        disable=disabled,
        configuration_file=settings.admission_control_config_file,
        added=_names(settings.admission_plugins),
    )


def check_plugins(settings: Settings) -> None:
    """Before anything is started. Raises Problem."""
    chosen = (
        settings.enable_admission_plugins,
        settings.disable_admission_plugins,
        settings.admission_control_config_file,
        settings.admission_plugins,
    )
    if not any(chosen):
        return
    from pybernetes.apiserver.admission import catalog
    from pybernetes.apiserver.admission.configuration import read_configuration
    from pybernetes.apiserver.admission.host import ConfigurationError

    try:
        catalog.check(admission_options(settings))
        read_configuration(settings.admission_control_config_file)
    except ConfigurationError as error:
        raise Problem(str(error), "docs/admission.md lists what there is") from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())
