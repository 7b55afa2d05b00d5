"""Values whose keys a key management service guards."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from pybernetes.apiserver.admission.host import ConfigurationError
from pybernetes.apiserver.encryption import kms
from pybernetes.apiserver.encryption.configuration import EncryptionConfiguration, KmsProvider, Provider
from pybernetes.apiserver.encryption.configuration import ResourceConfiguration as Rule
from pybernetes.apiserver.encryption.kms import Kms, SeededGcm
from pybernetes.apiserver.encryption.kms_v2_pb2 import (
    DecryptRequest,
    DecryptResponse,
    EncryptRequest,
    EncryptResponse,
    StatusRequest,
    StatusResponse,
)
from pybernetes.apiserver.encryption.providers import Unavailable, Unopened
from pybernetes.apiserver.encryption.sealed_store import SealedStore
from pybernetes.apiserver.encryption.upkeep import Upkeep
from pybernetes.store.contract import Put
from pybernetes.store.memory import MemoryStore

KEY = "/registry/secrets/default/one"
KINDS = {"/registry/secrets/": ("", "secrets")}


class Service:
    """Turns bytes around and remembers under which key; asked over a socket."""

    def __init__(self, socket: Path) -> None:
        self.endpoint = f"unix://{socket}"
        self.key_id = "k1"
        self.health = "ok"
        self.decrypted = 0
        self._server = grpc.server(ThreadPoolExecutor(1))
        methods = {
            "Status": (StatusRequest, lambda _: StatusResponse(version="v2", healthz=self.health, key_id=self.key_id)),
            "Encrypt": (EncryptRequest, self._encrypt),
            "Decrypt": (DecryptRequest, self._decrypt),
        }
        handlers = {
            name: grpc.unary_unary_rpc_method_handler(
                lambda request, _, act=act: act(request), asked.FromString, lambda answer: answer.SerializeToString()
            )
            for name, (asked, act) in methods.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(kms.SERVICE.strip("/"), handlers),))
        self._server.add_insecure_port(self.endpoint)
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None)

    def _encrypt(self, request: EncryptRequest) -> EncryptResponse:
        return EncryptResponse(ciphertext=request.plaintext[::-1], key_id=self.key_id, annotations={"a.example": b"b"})

    def _decrypt(self, request: DecryptRequest) -> DecryptResponse:
        self.decrypted += 1
        assert dict(request.annotations) == {"a.example": b"b"}
        return DecryptResponse(plaintext=request.ciphertext[::-1])


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "kms.sock")
    yield made
    made.stop()


def provider(service: Service, **more: str) -> KmsProvider:
    return KmsProvider("v2", "vault", service.endpoint, **more)


def configuration(service: Service) -> EncryptionConfiguration:
    return EncryptionConfiguration(resources=[Rule(["secrets"], [Provider(kms=provider(service))])])


def test_the_service_is_asked_about_seeds_and_not_about_values(service: Service) -> None:
    writer = Kms(provider(service))
    sealed = [writer.seal(b"value", KEY) for _ in range(3)]
    assert len(set(sealed)) == 3
    assert [writer.opened(one, KEY) for one in sealed] == [(b"value", False)] * 3
    assert service.decrypted == 0
    reader = Kms(provider(service))
    assert [reader.open(one, KEY) for one in sealed] == [b"value"] * 3
    assert service.decrypted == 1
    with pytest.raises(Unopened):
        reader.open(sealed[0], "/registry/secrets/default/other")
    with pytest.raises(Unopened):
        reader.open(b"\x00nonsense", KEY)


def test_values_under_an_old_key_are_stale(service: Service) -> None:
    guarded = Kms(provider(service))
    sealed = guarded.seal(b"value", KEY)
    service.key_id = "k2"
    guarded.refresh()
    assert guarded.opened(sealed, KEY) == (b"value", True)
    assert guarded.opened(guarded.seal(b"value", KEY), KEY) == (b"value", False)


def test_a_seed_makes_another_key_for_each_value() -> None:
    cipher = SeededGcm(b"s" * 32)
    assert cipher.seal(b"x", KEY)[:32] != cipher.seal(b"x", KEY)[:32]
    with pytest.raises(Unopened, match="shorter than the required size"):
        cipher.open(b"short", KEY)


async def test_a_store_seals_with_the_service_and_says_when_it_is_not_well(service: Service) -> None:
    inner = MemoryStore()
    store = await SealedStore.over(inner, configuration(service), KINDS)
    await store.transact(write=(Put(KEY, b"{}"),))
    stored = inner.get_now(KEY)
    assert stored is not None
    assert stored.value.startswith(b"k8s:enc:kms:v2:vault:")
    assert (await store.get(KEY)).value == b"{}"  # type: ignore[union-attr]
    upkeep = Upkeep(store, None)
    assert await upkeep.check() is None
    service.health = "sealed"
    await upkeep.look()
    assert await upkeep.check() == "vault: got unexpected healthz status: sealed"
    assert (await store.get(KEY)).value == b"{}"  # type: ignore[union-attr]
    service.health = "ok"
    service.key_id = "k2"
    await upkeep.look()
    assert await upkeep.check() is None
    assert store.is_stale(KEY)
    await store.close()


async def test_a_service_that_does_not_answer_is_told_at_the_start(service: Service) -> None:
    service.stop()
    with pytest.raises(Unavailable, match=r"DEADLINE_EXCEEDED|UNAVAILABLE"):
        Kms(provider(service, timeout="50ms"))
    wanted = configuration(service)
    assert wanted.resources[0].providers[0].kms is not None
    wanted.resources[0].providers[0].kms.timeout = "50ms"
    with pytest.raises(ConfigurationError, match="a kms provider cannot be used"):
        await SealedStore.over(MemoryStore(), wanted, KINDS)
