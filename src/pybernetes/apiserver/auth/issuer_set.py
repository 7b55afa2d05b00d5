"""All other issuers whose tokens count, as the operator's file has them now.

Follows pkg/kubeapiserver/options/authentication.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pybernetes.api.clock import Clock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.reloading import FileReloader

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.issuers import IssuerTokens
    from pybernetes.apiserver.auth.jwt_configuration import AuthenticationConfiguration

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")


class Issuers:
    """Implements `TokenSource`."""

    def __init__(
        self, configuration: AuthenticationConfiguration, clock: Clock, algorithms: Sequence[str] = ALGORITHMS
    ) -> None:
        """Raises ConfigurationError for expressions that do not compile."""
        self._configuration = configuration
        self._clock = clock
        self._algorithms = tuple(algorithms)
        self._sources = self._made(configuration)

    async def find(self, token: str) -> User | None:
        for source in self._sources:
            user = await source.find(token)
            if user is not None:
                return user
        return None

    def following(self, path: str, own_issuer: str) -> FileReloader:
        """Takes in what the file says from now on. Who may come without credentials stays as it was at the start."""
        from pybernetes.apiserver.auth.jwt_configuration import parse_configuration

        async def take(content: bytes) -> None:
            found = parse_configuration(content, path, own_issuer)
            if found.anonymous != self._configuration.anonymous:
                raise ConfigurationError("anonymous: Forbidden: changed from initial configuration file")
            self._sources = self._made(found)
            self._configuration = found

        return FileReloader("authentication", path, take, self._clock, Path(path).read_bytes())

    def _made(self, configuration: AuthenticationConfiguration) -> Sequence[IssuerTokens]:
        if not configuration.jwt:
            return ()
        from pybernetes.apiserver.auth.issuers import IssuerTokens
        from pybernetes.cel.errors import CompileError

        try:
            return [IssuerTokens(one, self._clock, self._algorithms) for one in configuration.jwt]
        except CompileError as error:
            raise ConfigurationError(f"an expression does not compile: {error}") from error
