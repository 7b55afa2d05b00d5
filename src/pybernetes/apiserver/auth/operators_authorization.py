"""Who decides, as the operator's file has it now.

Follows pkg/kubeapiserver/authorizer/reload.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pybernetes.api.clock import Clock
from pybernetes.api.figures import Counts
from pybernetes.apiserver.auth.authorization_configuration import AuthorizationConfiguration, read_configuration
from pybernetes.apiserver.auth.authorizer_chain import Builder
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.contract import Attributes, Authorizer, Decision, User
from pybernetes.apiserver.auth.reloading import FileReloader
from pybernetes.apiserver.auth.review_webhook import ReviewWebhook


class Replaceable:
    """Implements `Authorizer` by another one."""

    def __init__(self, current: Authorizer) -> None:
        self.current = current

    async def authorize(self, user: User, attributes: Attributes) -> Decision:
        return await self.current.authorize(user, attributes)


class OperatorsAuthorization:
    def __init__(
        self, cluster: ClusterAuthorizer, clock: Clock, wanted: AuthorizationConfiguration, policy_file: str = ""
    ) -> None:
        """Raises ConfigurationError."""
        self._builder = Builder(cluster, clock, policy_file)
        self._clock = clock
        self._lasting = wanted.lasting_types
        self._wanted = wanted
        self._webhooks: Sequence[ReviewWebhook] = ()
        self.authorizer: Authorizer
        self.authorizer, self._webhooks = self._builder.build(wanted)
        self._cluster = cluster
        self.figures = self._builder.figures

    def decisions(self) -> Counts:
        """By type, name and what was decided; of nodes and roles only what they allowed."""
        found = Counts(self.figures.decisions)
        found["Node", "node", "allowed"] += self._cluster.allowed_to_nodes
        found["RBAC", "rbac", "allowed"] += self._cluster.allowed_by_roles
        return found

    def following(self, path: str) -> FileReloader:
        """From now on ``authorizer`` does what the file says; to be called before anybody is given it."""
        replaceable = self.authorizer = Replaceable(self.authorizer)

        async def take(content: bytes) -> None:
            wanted = read_configuration(content, self._lasting)
            if wanted == self._wanted:
                return
            replaceable.current, webhooks = self._builder.build(wanted)
            self._wanted = wanted
            before, self._webhooks = self._webhooks, webhooks
            for webhook in before:
                await webhook.close()

        return FileReloader("authorization", path, take, self._clock, Path(path).read_bytes())

    async def close(self) -> None:
        for webhook in self._webhooks:
            await webhook.close()
