"""Authentication and authorization of one API server, put together.

`Access.start` brings the default roles into the store and follows the roles from then on; `register` adds the reviews,
the token subresource and the issuer's documents to the server's routes; `plugins` go into its admission chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pybernetes.api.clock import Clock, SystemClock
from pybernetes.apiserver.admission.contract import Plugin
from pybernetes.apiserver.auth import bootstrap_roles
from pybernetes.apiserver.auth.authenticators import (
    AccountTokens,
    BootstrapTokens,
    FileTokens,
    RequestAuthenticator,
    TokenSource,
    everywhere,
)
from pybernetes.apiserver.auth.authorization_configuration import (
    AuthorizationConfiguration,
    Modes,
    from_modes,
)
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.certificate_signer import CertificateSigner
from pybernetes.apiserver.auth.contract import Authorizer
from pybernetes.apiserver.auth.device_admin_access import DeviceAdminAccess
from pybernetes.apiserver.auth.device_status import DeviceStatusCheck
from pybernetes.apiserver.auth.escalation import EscalationCheck
from pybernetes.apiserver.auth.impersonation import Impersonator
from pybernetes.apiserver.auth.issuer_documents import IssuerDocuments
from pybernetes.apiserver.auth.issuer_set import ALGORITHMS, Issuers
from pybernetes.apiserver.auth.node_graph import NodeGraph
from pybernetes.apiserver.auth.operators_authorization import OperatorsAuthorization
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.rbac_feed import RbacFeed
from pybernetes.apiserver.auth.reloading import FileReloader
from pybernetes.apiserver.auth.request_header import FrontProxies, RequestHeaders
from pybernetes.apiserver.auth.review_webhook import ReviewWebhook
from pybernetes.apiserver.auth.reviews import Reviews
from pybernetes.apiserver.auth.secret_tokens import SecretTokens, TokenSecrets
from pybernetes.apiserver.auth.service_accounts import DEFAULT_ISSUER, ServiceAccountTokens
from pybernetes.apiserver.auth.static_tokens import StaticTokens
from pybernetes.apiserver.auth.token_request import TokenRequests
from pybernetes.apiserver.auth.token_webhook import DEFAULT_VERSION as TOKEN_REVIEW_VERSION
from pybernetes.apiserver.auth.token_webhook import REMEMBERED_SECONDS, WebhookTokens
from pybernetes.apiserver.auth.tokens import TokenFile
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.routes import Routes
from pybernetes.apiserver.webhook_file import WebhookTarget
from pybernetes.store.contract import Store

if TYPE_CHECKING:
    from pybernetes.apiserver.auth.jwt_configuration import AuthenticationConfiguration


@dataclass(frozen=True, slots=True)
class AccessOptions:
    """`service_account_key` is the PEM of the key that signs tokens; `token_file` holds what an operator handed out;
    `pki` signs certificate requests and is told in the Secrets that hold tokens (without it neither is done)."""

    service_account_key: bytes
    token_file: Path | None = None
    issuer: str = DEFAULT_ISSUER
    audiences: tuple[str, ...] = ()
    server_url: str = "https://127.0.0.1:6443"
    pki: Pki | None = None
    request_headers: RequestHeaders | None = None
    """Proxies that are trusted to say whom they speak for; needs ``pki``, whose authority all others are known by."""
    authentication: AuthenticationConfiguration | None = None
    """Other issuers whose tokens count, and where one may come without credentials (everywhere, if nothing is said)."""
    authentication_file: str = ""
    """Where ``authentication`` comes from: other issuers count when it changes."""
    algorithms: tuple[str, ...] = ALGORITHMS
    """By which tokens of other issuers may be signed."""
    token_webhook: WebhookTarget | None = None
    token_webhook_version: str = TOKEN_REVIEW_VERSION
    token_webhook_seconds: float = REMEMBERED_SECONDS
    """How long an answer of the webhook counts."""
    static_tokens: str = ""
    """A file of tokens, users, uids and groups."""
    bootstrap_tokens: bool = True
    authorization: AuthorizationConfiguration | None = None
    """Who decides, in order; nodes and roles if nothing is said."""
    authorization_file: str = ""
    """Where ``authorization`` comes from: others decide when it changes."""
    policy_file: str = ""
    """The policies of the authorizer `ABAC`."""


@dataclass
class Access:
    store: Store
    options: AccessOptions
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        options = self.options
        self.rbac = Rbac()
        self._graph = NodeGraph(self.store)
        self._cluster = ClusterAuthorizer(self.rbac, self._graph)
        self._webhooks: list[ReviewWebhook] = []
        self.reloaders: list[FileReloader] = []
        """Files that are taken in again when they change."""
        wanted = options.authorization or from_modes(Modes())
        self.authorization = OperatorsAuthorization(self._cluster, self.clock, wanted, options.policy_file)
        self.authorizer: Authorizer = self.authorization.authorizer
        if options.authorization_file:
            self.reloaders.append(self.authorization.following(options.authorization_file))
        self.account_tokens = ServiceAccountTokens(
            options.service_account_key, self.store, options.issuer, options.audiences, self.clock
        )
        sources: list[TokenSource] = [
            AccountTokens(self.account_tokens),
            SecretTokens(self.account_tokens),
        ]
        if options.bootstrap_tokens:
            sources.append(BootstrapTokens(self.store, self.clock))
        if options.static_tokens:
            sources.insert(0, StaticTokens(options.static_tokens))
        if options.token_file is not None:
            sources.insert(0, FileTokens(TokenFile(options.token_file), self.clock))
        if options.authentication is not None:
            issuers = Issuers(options.authentication, self.clock, options.algorithms)
            sources.append(issuers)
            if options.authentication_file:
                self.reloaders.append(issuers.following(options.authentication_file, options.issuer))
        if options.token_webhook is not None:
            sources.append(
                WebhookTokens(
                    self._webhook(options.token_webhook),
                    self.clock,
                    self.account_tokens.audiences,
                    options.token_webhook_version,
                    options.token_webhook_seconds,
                )
            )
        proxies = None
        if options.request_headers is not None and options.pki is not None:
            proxies = FrontProxies(options.request_headers, options.pki.ca_file)
        self.authenticator = RequestAuthenticator(
            sources, proxies, _anonymous(options.authentication), self.account_tokens.figures
        )
        self.impersonation = Impersonator(self.authorizer)
        self._feed = RbacFeed(self.store, self.rbac)
        self._signer: CertificateSigner | None = None
        if options.pki is not None:
            self._signer = CertificateSigner(self.store, options.pki, self._cluster, self.clock)

    async def start(self) -> None:
        await bootstrap_roles.ensure(self.store, self.clock.now())
        await self._feed.start()
        await self._graph.start()
        if self._signer is not None:
            await self._signer.start()
        for reloader in self.reloaders:
            reloader.start()

    @property
    def is_running(self) -> bool:
        """Whether changes of the roles still come in."""
        return self._feed.is_running

    async def close(self) -> None:
        for reloader in self.reloaders:
            await reloader.stop()
        if self._signer is not None:
            await self._signer.close()
        for webhook in self._webhooks:
            await webhook.close()
        await self.authorization.close()
        await self._graph.close()
        await self._feed.close()

    def _webhook(self, target: WebhookTarget) -> ReviewWebhook:
        webhook = ReviewWebhook(target)
        self._webhooks.append(webhook)
        return webhook

    def plugins(self) -> tuple[Plugin, ...]:
        """What admission does about identities: fills token Secrets, checks who writes."""
        return (
            TokenSecrets(self.account_tokens, self.options.pki.ca_pem if self.options.pki else b""),
            EscalationCheck(self._cluster),
            DeviceAdminAccess(self.store),
            DeviceStatusCheck(self.authorizer),
        )

    def register(self, routes: Routes, accounts: Registry | None = None) -> None:
        """``accounts`` is the storage of service accounts, whose admission judges requests for tokens."""
        Reviews(self.authenticator, self.authorizer, self._cluster, self.account_tokens, self.clock).register(routes)
        TokenRequests(self.store, self.account_tokens, self.clock, accounts).register(routes)
        IssuerDocuments(self.account_tokens, self.options.server_url).register(routes)


def _anonymous(configuration: AuthenticationConfiguration | None) -> Callable[[str], bool]:
    stated = configuration.anonymous if configuration is not None else None
    if stated is None:
        return everywhere
    paths = {condition.path for condition in stated.conditions}
    return lambda path: stated.enabled and (not paths or path in paths)
