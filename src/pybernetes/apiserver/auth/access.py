"""Authentication and authorization of one API server, put together.

`Access.start` brings the default roles into the store and follows the roles from then on; `register` adds the reviews,
the token subresource and the issuer's documents to the server's routes; `plugins` go into its admission chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.api.clock import Clock, SystemClock
from pybernetes.apiserver.admission.contract import Plugin
from pybernetes.apiserver.auth import bootstrap_roles
from pybernetes.apiserver.auth.authenticators import (
    AccountTokens,
    BootstrapTokens,
    FileTokens,
    RequestAuthenticator,
    TokenSource,
)
from pybernetes.apiserver.auth.authorizers import ClusterAuthorizer
from pybernetes.apiserver.auth.certificate_signer import CertificateSigner
from pybernetes.apiserver.auth.device_admin_access import DeviceAdminAccess
from pybernetes.apiserver.auth.device_status import DeviceStatusCheck
from pybernetes.apiserver.auth.escalation import EscalationCheck
from pybernetes.apiserver.auth.impersonation import Impersonator
from pybernetes.apiserver.auth.issuer_documents import IssuerDocuments
from pybernetes.apiserver.auth.node_graph import NodeGraph
from pybernetes.apiserver.auth.pki import Pki
from pybernetes.apiserver.auth.rbac import Rbac
from pybernetes.apiserver.auth.rbac_feed import RbacFeed
from pybernetes.apiserver.auth.request_header import FrontProxies, RequestHeaders
from pybernetes.apiserver.auth.reviews import Reviews
from pybernetes.apiserver.auth.secret_tokens import SecretTokens, TokenSecrets
from pybernetes.apiserver.auth.service_accounts import DEFAULT_ISSUER, ServiceAccountTokens
from pybernetes.apiserver.auth.token_request import TokenRequests
from pybernetes.apiserver.auth.tokens import TokenFile
from pybernetes.apiserver.registry import Registry
from pybernetes.apiserver.routes import Routes
from pybernetes.store.contract import Store


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


@dataclass
class Access:
    store: Store
    options: AccessOptions
    clock: Clock = field(default_factory=SystemClock)

    def __post_init__(self) -> None:
        options = self.options
        self.rbac = Rbac()
        self._graph = NodeGraph(self.store)
        self.authorizer = ClusterAuthorizer(self.rbac, self._graph)
        self.account_tokens = ServiceAccountTokens(
            options.service_account_key, self.store, options.issuer, options.audiences, self.clock
        )
        sources: list[TokenSource] = [
            AccountTokens(self.account_tokens),
            SecretTokens(self.account_tokens),
            BootstrapTokens(self.store, self.clock),
        ]
        if options.token_file is not None:
            sources.insert(0, FileTokens(TokenFile(options.token_file), self.clock))
        proxies = None
        if options.request_headers is not None and options.pki is not None:
            proxies = FrontProxies(options.request_headers, options.pki.ca_file)
        self.authenticator = RequestAuthenticator(sources, proxies)
        self.impersonation = Impersonator(self.authorizer)
        self._feed = RbacFeed(self.store, self.rbac)
        self._signer: CertificateSigner | None = None
        if options.pki is not None:
            self._signer = CertificateSigner(self.store, options.pki, self.authorizer, self.clock)

    async def start(self) -> None:
        await bootstrap_roles.ensure(self.store, self.clock.now())
        await self._feed.start()
        await self._graph.start()
        if self._signer is not None:
            await self._signer.start()

    async def close(self) -> None:
        if self._signer is not None:
            await self._signer.close()
        await self._graph.close()
        await self._feed.close()

    def plugins(self) -> tuple[Plugin, ...]:
        """What admission does about identities: fills token Secrets, checks who writes."""
        return (
            TokenSecrets(self.account_tokens, self.options.pki.ca_pem if self.options.pki else b""),
            EscalationCheck(self.authorizer),
            DeviceAdminAccess(self.store),
            DeviceStatusCheck(self.authorizer),
        )

    def register(self, routes: Routes, accounts: Registry | None = None) -> None:
        """``accounts`` is the storage of service accounts, whose admission judges requests for tokens."""
        Reviews(self.authenticator, self.authorizer, self.account_tokens, self.clock).register(routes)
        TokenRequests(self.store, self.account_tokens, self.clock, accounts).register(routes)
        IssuerDocuments(self.account_tokens, self.options.server_url).register(routes)
