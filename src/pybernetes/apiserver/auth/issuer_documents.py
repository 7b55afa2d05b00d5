"""What others need to check service-account tokens: `/.well-known/openid-configuration` and `/openid/v1/jwks`.

Follows pkg/serviceaccount/openidmetadata.go.
"""

from __future__ import annotations

import orjson

from pybernetes.api import errors
from pybernetes.apiserver.auth.service_accounts import ALGORITHM, ServiceAccountTokens
from pybernetes.apiserver.http import JSON, ApiResponse
from pybernetes.apiserver.negotiation import require_json_acceptable
from pybernetes.apiserver.routes import Call, Routes

CONFIGURATION_PATH = "/.well-known/openid-configuration"
KEYS_PATH = "/openid/v1/jwks"
_KEY_SET = "application/jwk-set+json"
_CACHING = "public, max-age=3600"


class IssuerDocuments:
    def __init__(self, tokens: ServiceAccountTokens, server_url: str) -> None:
        self._tokens = tokens
        self._server_url = server_url.rstrip("/")

    def register(self, routes: Routes) -> None:
        routes.exact(CONFIGURATION_PATH, self.configuration)
        routes.exact(KEYS_PATH, self.keys)
        routes.unlisted(f"{CONFIGURATION_PATH}/", self.configuration)
        routes.unlisted(f"{KEYS_PATH}/", self.keys)

    async def configuration(self, call: Call) -> ApiResponse:
        _require_get(call, JSON)
        document = {
            "issuer": self._tokens.issuer,
            "jwks_uri": self._server_url + KEYS_PATH,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
        }
        return ApiResponse(200, orjson.dumps(document), {"Content-Type": JSON, "Cache-Control": _CACHING})

    async def keys(self, call: Call) -> ApiResponse:
        _require_get(call, _KEY_SET)
        body = orjson.dumps(self._tokens.key_set())
        return ApiResponse(200, body, {"Content-Type": _KEY_SET, "Cache-Control": _CACHING})


def _require_get(call: Call, media_type: str) -> None:
    if call.request.method != "GET":
        raise errors.method_not_allowed()
    require_json_acceptable(call.request, media_type)
