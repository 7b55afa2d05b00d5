"""What is encrypted in the store: how values lie there, how keys are changed, and what is refused."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
import yaml

from apiserver.serving import serving
from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.encryption.configuration import EncryptionConfiguration, read_configuration
from pybernetes.apiserver.encryption.providers import AesCbc, AesGcm, Cipher, Secretbox, Unopened
from pybernetes.apiserver.encryption.sealed_store import SealedStore, rules_of
from pybernetes.store.contract import Committed, Put
from pybernetes.store.memory import MemoryStore

KINDS = {
    "/registry/secrets/": ("", "secrets"),
    "/registry/configmaps/": ("", "configmaps"),
    "/registry/deployments/": ("apps", "deployments"),
    "/registry/services/specs/": ("", "services"),
}
KEY = "/registry/secrets/default/one"
SECRETS = "/api/v1/namespaces/default/secrets"


def key(name: str, byte: int = 1, size: int = 32) -> dict[str, str]:
    return {"name": name, "secret": base64.b64encode(bytes([byte]) * size).decode()}


def configuration(*providers: Any, resources: tuple[str, ...] = ("secrets",)) -> EncryptionConfiguration:
    return of([{"resources": list(resources), "providers": list(providers)}])


def of(resources: list[Any]) -> EncryptionConfiguration:
    head = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "EncryptionConfiguration", "resources": resources}
    return read_configuration(yaml.safe_dump(head).encode(), "file")


def gcm(name: str, byte: int = 1) -> dict[str, Any]:
    return {"aesgcm": {"keys": [key(name, byte)]}}


IDENTITY: dict[str, Any] = {"identity": {}}


@pytest.mark.parametrize("cipher", [AesGcm(b"k" * 32), AesCbc(b"k" * 16), Secretbox(b"k" * 32)])
def test_what_is_sealed_can_be_opened_and_is_another_text_each_time(cipher: Cipher) -> None:
    for value in (b"", b"x", b"a value of some length" * 20):
        sealed = cipher.seal(value, KEY)
        assert cipher.open(sealed, KEY) == value
        assert cipher.seal(value, KEY) != sealed
    with pytest.raises(Unopened, match="shorter than the required size"):
        cipher.open(b"short", KEY)


def test_a_value_that_was_moved_or_changed_does_not_open() -> None:
    cipher = AesGcm(b"k" * 32)
    sealed = cipher.seal(b"value", KEY)
    with pytest.raises(Unopened):
        cipher.open(sealed, "/registry/secrets/default/other")
    with pytest.raises(Unopened):
        cipher.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), KEY)


async def test_secrets_lie_encrypted_in_the_store_and_are_served_as_ever() -> None:
    inner = MemoryStore()
    store = await SealedStore.over(inner, configuration(gcm("key1"), IDENTITY), KINDS)
    async with serving(store) as talk:
        watch = await talk.watch(SECRETS)
        made = await talk.post(SECRETS, {"metadata": {"name": "one"}, "stringData": {"password": "hush"}})
        assert made.status == 201, made.message
        stored = inner.get_now(KEY)
        assert stored is not None
        assert stored.value.startswith(b"k8s:enc:aesgcm:v1:key1:")
        assert b"hush" not in stored.value
        assert (await talk.get(f"{SECRETS}/one")).body["data"] == {"password": base64.b64encode(b"hush").decode()}
        assert len((await talk.get(SECRETS)).body["items"]) == 1
        assert (await watch.names(1)) == [("ADDED", "one")]
        await talk.post("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "one"}})
        plain = inner.get_now("/registry/configmaps/default/one")
        assert plain is not None
        assert orjson.loads(plain.value)["metadata"]["name"] == "one"
    assert store.operations["secrets", "to_storage", "k8s:enc:aesgcm:v1:", "OK"] == 1


async def test_keys_are_changed_by_writing_everything_again() -> None:
    inner = MemoryStore()
    store = await SealedStore.over(inner, configuration(gcm("key1"), IDENTITY), KINDS)
    async with serving(store) as talk:
        await talk.post(SECRETS, {"metadata": {"name": "one"}})
        await store.use(configuration(gcm("key2", 2), gcm("key1"), IDENTITY))
        before = await talk.get(f"{SECRETS}/one")
        again = await talk.put(f"{SECRETS}/one", before.body)
        assert again.status == 200
        assert again.version != before.version
        stored = inner.get_now(KEY)
        assert stored is not None
        assert stored.value.startswith(b"k8s:enc:aesgcm:v1:key2:")
        assert (await talk.put(f"{SECRETS}/one", again.body)).version == again.version
        await store.use(configuration(gcm("key2", 2)))
        assert (await talk.get(f"{SECRETS}/one")).status == 200


async def test_a_store_that_the_configuration_cannot_read_is_refused() -> None:
    inner = MemoryStore()
    store = await SealedStore.over(inner, configuration(gcm("key1")), KINDS)
    assert isinstance(await store.transact(write=(Put(KEY, b"{}"),)), Committed)
    for wanted, why in (
        (configuration(gcm("key2", 2)), "no matching key was found for the provided AES transformer"),
        (configuration({"secretbox": {"keys": [key("a")]}}), "no matching prefix found"),
        (configuration(gcm("key1", 2)), "cipher: message authentication failed"),
        (configuration(IDENTITY), "no matching prefix found"),
    ):
        with pytest.raises(ConfigurationError) as refused:
            await store.use(wanted)
        assert str(refused.value) == f'unable to transform key "{KEY}": {why}'
    assert (await store.get(KEY)).value == b"{}"  # type: ignore[union-attr]


def test_a_rule_for_one_kind_wins_over_one_for_many() -> None:
    rules = rules_of(
        of(
            [
                {"resources": ["secrets"], "providers": [gcm("a")]},
                {"resources": ["*."], "providers": [gcm("b")]},
                {"resources": ["*.*"], "providers": [IDENTITY]},
            ]
        )
    )
    store = SealedStore(MemoryStore(), rules, KINDS)

    def prefix(place: str) -> bytes:
        sealer = store._sealer_of(place)
        assert sealer is not None
        return sealer.seal(b"{}", place)[:20]

    assert prefix(KEY) == b"k8s:enc:aesgcm:v1:a:"
    assert prefix("/registry/services/specs/default/web") == b"k8s:enc:aesgcm:v1:b:"
    assert prefix("/registry/deployments/default/web") == b"{}"
    assert prefix("/registry/example.com/widgets/default/web") == b"{}"


@pytest.mark.parametrize(
    ("resources", "problem"),
    [
        ([], "resources: Required value: at least one resources is required"),
        (
            [{"resources": ["secrets"], "providers": [{**gcm("a"), **IDENTITY}]}],
            "more than one provider specified in a single element, should split into different list elements",
        ),
        ([{"resources": ["Secrets"], "providers": [IDENTITY]}], "resource name should not contain capital letters"),
        ([{"resources": ["*"], "providers": [IDENTITY]}], "use '*.' to encrypt all the resources from core"),
        ([{"resources": ["secrets", "*."], "providers": [IDENTITY]}], "overlapping resources such as 'secrets' and"),
        ([{"resources": ["secrets"], "providers": []}], "resources[0].providers: Required value"),
        (
            [{"resources": ["secrets"], "providers": [{"aescbc": {"keys": [key("a", size=20)]}}]}],
            'resources[0].providers[0].aescbc.keys[0].secret: Invalid value: "REDACTED": secret is not of the expected '
            "length, got 20, expected one of [16 24 32]",
        ),
        (
            [{"resources": ["secrets"], "providers": [{"kms": {"name": "k", "endpoint": "unix:///x"}}]}],
            'resources[0].providers[0].kms.apiVersion: Invalid value: "v1": KMSv1 is deprecated',
        ),
        (
            [{"resources": ["secrets"], "providers": [{"kms": {"apiVersion": "v2", "name": "a:b", "endpoint": "x"}}]}],
            "invalid KMS provider name a:b, must not contain ':'",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused(resources: list[Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        of(resources)
    assert problem in str(refused.value)


def test_a_rule_that_an_earlier_one_leaves_nothing_to_is_refused() -> None:
    masked = [{"resources": ["*."], "providers": [IDENTITY]}, {"resources": ["secrets"], "providers": [IDENTITY]}]
    with pytest.raises(ConfigurationError, match=r'resource "secrets" is masked by earlier rule "\*\."'):
        rules_of(of(masked))
