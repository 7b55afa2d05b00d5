"""The options about who is known and who may do what, with upstream's names. They are remembered in the settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pybernetes.cli.layout import Settings
from pybernetes.cli.problems import Problem

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.access import AccessOptions

F = TypeVar("F", bound=Callable[..., Any])
_FILE = click.Path(exists=True, dir_okay=False, resolve_path=True)
_OPTIONS = (
    ("--authentication-config", "Other issuers of tokens, and anonymous access (AuthenticationConfiguration)."),
    ("--authentication-token-webhook-config-file", "A kubeconfig of who knows further bearer tokens."),
    ("--authorization-webhook-config-file", "A kubeconfig of who is asked about what roles do not allow."),
)


def choose_identities(function: F) -> F:
    """--authentication-config and its like."""
    for option, text in reversed(_OPTIONS):
        function = click.option(option, type=_FILE, help=text)(function)
    return function


def with_identities(options: AccessOptions, settings: Settings) -> AccessOptions:
    """Raises Problem."""
    files = (
        settings.authentication_config,
        settings.authentication_token_webhook_config_file,
        settings.authorization_webhook_config_file,
    )
    if not any(files):
        return options
    from dataclasses import replace

    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.auth.jwt_configuration import read_configuration
    from pybernetes.apiserver.webhook_file import read_target

    authentication, tokens, authorization = files
    try:
        return replace(
            options,
            authentication=read_configuration(authentication, options.issuer) if authentication else None,
            token_webhook=read_target(tokens) if tokens else None,
            authorization_webhook=read_target(authorization) if authorization else None,
        )
    except ConfigurationError as error:
        raise Problem(str(error), "docs/authentication.md tells what can be configured") from error
