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
    text = "Whether requests without credentials are served, as system:anonymous. [default: true]"
    return click.option("--anonymous-auth", type=bool, help=text)(function)


def with_identities(options: AccessOptions, settings: Settings) -> AccessOptions:
    """Raises Problem."""
    files = (
        settings.authentication_config,
        settings.authentication_token_webhook_config_file,
        settings.authorization_webhook_config_file,
    )
    if settings.anonymous_auth and not any(files):
        return options
    from dataclasses import replace

    from pybernetes.apiserver.admission.host import ConfigurationError
    from pybernetes.apiserver.auth.jwt_configuration import (
        Anonymous,
        AuthenticationConfiguration,
        read_configuration,
    )
    from pybernetes.apiserver.webhook_file import read_target

    authentication, tokens, authorization = files
    try:
        known = read_configuration(authentication, options.issuer) if authentication else AuthenticationConfiguration()
        if not settings.anonymous_auth:
            if known.anonymous is not None:
                raise ConfigurationError(
                    "--anonymous-auth flag cannot be set when anonymous field is configured in authentication "
                    "configuration file"
                )
            known.anonymous = Anonymous(enabled=False)
        return replace(
            options,
            authentication=known,
            token_webhook=read_target(tokens) if tokens else None,
            authorization_webhook=read_target(authorization) if authorization else None,
        )
    except ConfigurationError as error:
        raise Problem(str(error), "docs/authentication.md tells what can be configured") from error
