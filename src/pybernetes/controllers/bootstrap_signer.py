"""Signs the ConfigMap `kube-public/cluster-info` with every bootstrap token that may sign, so that a machine that holds
a token can tell whether the API server it reads there is the one it was told of.

Guarantees  Signatures are those of the present kubeconfig and the present tokens; others are removed.
Follows pkg/controller/bootstrap/bootstrapsigner.go and k8s.io/cluster-bootstrap/token/jws.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from pybernetes.api import bootstrap_tokens
from pybernetes.api.bootstrap_tokens import Token, Usage
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.controllers.controller import DONE, Context, Controller, Result
from pybernetes.controllers.token_cleaner import bootstrap_secrets

CLUSTER_INFO = Key("kube-public", "cluster-info")
KUBECONFIG = "kubeconfig"
SIGNATURE = "jws-kubeconfig-"


def signature(content: str, token: Token) -> str:
    """A JSON web signature (HS256) in its compact form, without what is signed."""
    header = _base64(msgspec.json.encode({"alg": "HS256", "kid": token.id}))
    signed = f"{header}.{_base64(content.encode())}".encode()
    return f"{header}..{_base64(hmac.digest(token.secret.encode(), signed, hashlib.sha256))}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signing_token(secret: core_v1.Secret, now: datetime) -> Token | None:
    """The token that a Secret holds, if one may sign with it."""
    data = secret.data
    token = Token(*(bootstrap_tokens.text_of(data, key) for key in (bootstrap_tokens.ID, bootstrap_tokens.SECRET)))
    if not token.id or not token.secret or token.id != bootstrap_tokens.id_in_name(secret.metadata.name):
        return None
    if bootstrap_tokens.has_expired(data, now) or not bootstrap_tokens.serves(data, Usage.SIGNING):
        return None
    return token


def signed(data: Mapping[str, str], tokens: Iterable[Token]) -> dict[str, str]:
    """The data that a ConfigMap must have; as they are where there is nothing to sign."""
    if KUBECONFIG not in data:
        return dict(data)
    rest = {key: value for key, value in data.items() if not key.startswith(SIGNATURE)}
    return rest | {SIGNATURE + token.id: signature(data[KUBECONFIG], token) for token in tokens}


class BootstrapSigner(Controller):
    """One key: the ConfigMap."""

    name = "bootstrap-signer-controller"
    enabled_by_default = False
    workers = 1

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.secrets = bootstrap_secrets(context)
        self.config_maps = context.informers.get(
            core_v1.ConfigMap, namespace=CLUSTER_INFO.namespace, field_selector=f"metadata.name={CLUSTER_INFO.name}"
        )
        self.informers += [self.secrets, self.config_maps]
        self.secrets.on_change(lambda _, __: self.queue.add(CLUSTER_INFO))
        self.config_maps.on_change(lambda _, __: self.queue.add(CLUSTER_INFO))

    async def reconcile(self, key: Key) -> Result:
        present = self.config_maps.get(key)
        if present is None:
            return DONE
        now = self.clock.now()
        tokens = (signing_token(secret, now) for secret in self.secrets.list())
        wanted = signed(present.data, [token for token in tokens if token is not None])
        if wanted != present.data:
            await self._write(msgspec.structs.replace(present, data=wanted))
        return DONE

    async def _write(self, wanted: core_v1.ConfigMap) -> None:
        try:
            await self.client.update(wanted)
        except ApiError as error:
            if error.code not in (404, 409):
                raise
