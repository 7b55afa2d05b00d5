"""Tokens of other issuers: which count, and whose they are."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt
import msgspec
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from apiserver.hook_server import HookServer, hook_server, pki
from pybernetes.api.clock import SystemClock
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.auth.access import _anonymous
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.auth.issuer_set import Issuers
from pybernetes.apiserver.auth.issuers import IssuerTokens
from pybernetes.apiserver.auth.jwt_configuration import (
    AuthenticationConfiguration,
    JwtAuthenticator,
    read_configuration,
)
from pybernetes.apiserver.auth.service_accounts import InvalidToken

KEY = ec.generate_private_key(ec.SECP256R1())
NAMED = {"username": {"claim": "sub", "prefix": "ext:"}, "groups": {"claim": "groups", "prefix": "ext:"}}


def published() -> dict[str, Any]:
    document = orjson.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))
    return {"kind": "JWKS", "keys": [{**document, "kid": "k1", "alg": "ES256", "use": "sig"}]}


@asynccontextmanager
async def issuing(**more: Any) -> AsyncIterator[tuple[HookServer, IssuerTokens]]:
    def respond(path: str, _: dict[str, Any]) -> dict[str, Any]:
        if path == "/keys":
            return published()
        return {"kind": "Provider", "issuer": hooks.url, "jwks_uri": f"{hooks.url}/keys"}

    async with hook_server(respond) as hooks:
        issuer = {"url": hooks.url, "audiences": ["me"], "certificateAuthority": pki().ca_pem.decode()}
        document = {"issuer": issuer, "claimMappings": NAMED, **more}
        yield hooks, IssuerTokens(msgspec.convert(document, JwtAuthenticator), SystemClock())


def token(hooks: HookServer, key: Any = KEY, **claims: Any) -> str:
    stated = {"iss": hooks.url, "sub": "jane", "aud": "me", "exp": int(time.time()) + 600, **claims}
    return jwt.encode(stated, key, algorithm="ES256", headers={"kid": "k1"})


async def refusal(tokens: IssuerTokens, text: str) -> str:
    with pytest.raises(InvalidToken) as refused:
        await tokens.find(text)
    return str(refused.value)


async def test_a_signed_token_names_its_user_and_groups() -> None:
    async with issuing() as (hooks, tokens):
        assert await tokens.find(token(hooks, groups=["a", "b"])) == User("ext:jane", groups=("ext:a", "ext:b"))
        assert await tokens.find(token(hooks, groups="a")) == User("ext:jane", groups=("ext:a",))
        assert [path for path, _ in hooks.asked] == ["/.well-known/openid-configuration", "/keys"]


async def test_tokens_of_others_are_left_to_others() -> None:
    async with issuing() as (hooks, tokens):
        assert await tokens.find(token(hooks, iss="https://else.where")) is None
        assert await tokens.find("nonsense") is None
        assert hooks.asked == []


async def test_a_token_must_be_meant_for_this_server_in_time_and_signed() -> None:
    async with issuing() as (hooks, tokens):
        assert await refusal(tokens, token(hooks, aud="you")) == "oidc: expected audience in [me] got ['you']"
        assert "expired" in await refusal(tokens, token(hooks, exp=5))
        assert "not before" in await refusal(tokens, token(hooks, nbf=int(time.time()) + 900))
        forged = token(hooks, ec.generate_private_key(ec.SECP256R1()))
        assert "verify token" in await refusal(tokens, forged)


async def test_claims_may_be_required() -> None:
    rules = [{"claim": "hd", "requiredValue": "example.com"}, {"expression": "claims.age > 17", "message": "too young"}]
    async with issuing(claimValidationRules=rules) as (hooks, tokens):
        assert await tokens.find(token(hooks, hd="example.com", age=18)) == User("ext:jane")
        assert await refusal(tokens, token(hooks, age=18)) == "oidc: required claim hd not present in ID token"
        assert (await refusal(tokens, token(hooks, hd="example.com", age=3))).endswith(
            "validation expression 'claims.age > 17' failed: too young"
        )


async def test_expressions_make_users_of_claims() -> None:
    mappings = {
        "username": {"expression": "claims.sub + '@' + claims.org"},
        "groups": {"expression": "claims.roles.split(',')"},
        "uid": {"claim": "id"},
        "extra": [{"key": "example.com/org", "valueExpression": "claims.org"}],
    }
    rules = [{"expression": "!user.username.startsWith('system:')", "message": "reserved"}]
    async with issuing(claimMappings=mappings, userValidationRules=rules) as (hooks, tokens):
        user = await tokens.find(token(hooks, org="acme", roles="a,b", id="7"))
        assert user == User("jane@acme", "7", ("a", "b"), {"example.com/org": ("acme",)})
        assert (await refusal(tokens, token(hooks, sub="system:x", org="acme", roles="", id="7"))).endswith("reserved")


async def test_an_address_must_be_verified() -> None:
    async with issuing(claimMappings={"username": {"claim": "email", "prefix": ""}}) as (hooks, tokens):
        assert await tokens.find(token(hooks, email="j@e.org")) == User("j@e.org")
        unverified = token(hooks, email="j@e.org", email_verified=False)
        assert await refusal(tokens, unverified) == "oidc: email not verified"


def configuration(tmp_path: Path, **content: Any) -> AuthenticationConfiguration:
    path = tmp_path / "authentication.json"
    start = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
    path.write_bytes(orjson.dumps({**start, **content}))
    return read_configuration(str(path), "https://own")


GOOD = {"issuer": {"url": "https://a", "audiences": ["x"]}, "claimMappings": NAMED}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {**GOOD, "issuer": {"url": "http://a?b", "audiences": ["x"]}},
            '[jwt[0].issuer.url: Invalid value: "http://a?b": URL scheme must be https, '
            'jwt[0].issuer.url: Invalid value: "http://a?b": URL must not contain a query]',
        ),
        (
            {**GOOD, "issuer": {"url": "https://own", "audiences": ["x"]}},
            'jwt[0].issuer.url: Invalid value: "https://own": URL must not overlap with disallowed issuers: '
            "[https://own]",
        ),
        (
            {**GOOD, "issuer": {"url": "https://a"}},
            "jwt[0].issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required",
        ),
        (
            {**GOOD, "claimMappings": {"username": {"claim": "sub"}}},
            "jwt[0].claimMappings.username.prefix: Required value: prefix is required when claim is set. It can be "
            "set to an empty string to disable prefixing",
        ),
        (
            {**GOOD, "claimMappings": {}},
            "jwt[0].claimMappings.username: Required value: claim or expression is required",
        ),
        (
            {**GOOD, "claimMappings": {**NAMED, "extra": [{"key": "Foo", "valueExpression": "claims."}]}},
            '[jwt[0].claimMappings.extra[0].key: Invalid value: "Foo": must be a domain-prefixed path (such as '
            '"acme.io/foo"), jwt[0].claimMappings.extra[0].key: Invalid value: "Foo": must be lowercase, '
            'jwt[0].claimMappings.extra[0].valueExpression: Invalid value: "claims.": compilation failed: '
            "ERROR: <input>:1:8: Syntax error: no viable alternative at input '.'\n | claims.\n | .......^]",
        ),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(tmp_path: Path, entry: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        configuration(tmp_path, jwt=[entry])
    assert str(refused.value) == f"invalid authentication configuration: {message}"


def test_who_may_come_without_credentials_is_stated(tmp_path: Path) -> None:
    assert _anonymous(None)("/api")
    assert _anonymous(configuration(tmp_path))("/api")
    assert not _anonymous(configuration(tmp_path, anonymous={"enabled": False}))("/livez")
    some = _anonymous(configuration(tmp_path, anonymous={"enabled": True, "conditions": [{"path": "/livez"}]}))
    assert some("/livez")
    assert not some("/api")


async def test_a_changed_file_brings_other_issuers_and_leaves_anonymous_access_as_it_was(tmp_path: Path) -> None:
    def write(**content: Any) -> None:
        start = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AuthenticationConfiguration"}
        draft = tmp_path / "draft"
        draft.write_bytes(orjson.dumps({**start, **content}))
        draft.replace(tmp_path / "authentication.json")

    path = str(tmp_path / "authentication.json")
    write(anonymous={"enabled": True})
    issuers = Issuers(read_configuration(path, "https://own"), SystemClock())
    reloader = issuers.following(path, "https://own")
    foreign = jwt.encode({"iss": "https://a", "sub": "jane"}, KEY, algorithm="ES256")
    assert await issuers.find(foreign) is None
    write(anonymous={"enabled": True}, jwt=[{**GOOD, "issuer": {"url": "https://a", "audiences": []}}])
    await reloader.look()
    assert await issuers.find(foreign) is None
    write(anonymous={"enabled": False}, jwt=[GOOD])
    await reloader.look()
    assert (reloader.successes, reloader.failures) == (0, 2)
    write(anonymous={"enabled": True}, jwt=[GOOD])
    await reloader.look()
    assert (reloader.successes, reloader.failures) == (1, 2)
    assert [source._issuer.url for source in issuers._sources] == ["https://a"]
