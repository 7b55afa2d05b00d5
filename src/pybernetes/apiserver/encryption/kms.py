"""Values whose keys a key management service guards: each is sealed with a key of its own, made from a seed that only
the service can open.

Guarantees
  The service is asked when the server starts, when its key has changed, and about seeds that are not known: never about
  a single value. The seed is new when the service names another key; values under the old one are stale.

Follows k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2 and encrypt/aes (aes_extended_nonce.go).
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pybernetes.api.durations import parse_duration
from pybernetes.apiserver.encryption.configuration import KmsProvider
from pybernetes.apiserver.encryption.providers import AesGcm, Cipher, Service, Unavailable, Unopened

if TYPE_CHECKING:
    import grpc

SERVICE = "/v2.KeyManagementService/"
WELL = "ok"
VERSIONS = frozenset({"v2", "v2beta1"})
SEED_BYTES = 32
_INFO = 32
_LONGEST_KEY_ID = 1024
_LONGEST_SEED = 1024
_LARGEST_ANNOTATIONS = 32 * 1024


@dataclass(frozen=True, slots=True)
class Seed:
    """What values are sealed with now, and what is stored beside them so that the service can open it again."""

    seed: bytes
    key_id: str
    sealed: bytes
    annotations: Mapping[str, bytes]


class KmsClient:
    """The service on its socket. Its calls wait: they are made in a thread, or before anything is served."""

    def __init__(self, endpoint: str, seconds: float) -> None:
        import grpc

        self._seconds = seconds
        self._channel: grpc.Channel = grpc.insecure_channel(endpoint)

    def close(self) -> None:
        self._channel.close()

    def call(self, method: str, request: Any, answer: type[Any]) -> Any:
        """Raises Unavailable."""
        import grpc

        written = type(request).SerializeToString
        ask = self._channel.unary_unary(SERVICE + method, written, answer.FromString)
        try:
            return ask(request, timeout=self._seconds, wait_for_ready=True)
        except grpc.RpcError as error:
            raise Unavailable(f"{error.code().name}: {error.details()}") from error


class Kms(Service):
    def __init__(self, provider: KmsProvider) -> None:
        """Raises Unavailable."""
        self.name = provider.name
        self._client = KmsClient(provider.endpoint, parse_duration(provider.timeout))
        self._lock = threading.Lock()
        self._ciphers: dict[bytes, SeededGcm] = {}
        self._seed: Seed | None = None
        self.problem = ""
        """Why the service is not well; "" if it is."""
        try:
            self.refresh()
        except Unavailable:
            self._client.close()
            raise

    def refresh(self) -> None:
        """Asks how the service is, and seals with a new seed if it names another key. Waits. Raises Unavailable."""
        from pybernetes.apiserver.encryption.kms_v2_pb2 import StatusRequest, StatusResponse

        with self._lock:
            try:
                status = self._client.call("Status", StatusRequest(), StatusResponse)
                if status.healthz != WELL:
                    raise Unavailable(f"got unexpected healthz status: {status.healthz}")
                if status.version not in VERSIONS:
                    raise Unavailable(f"unsupported KMS API version {status.version}, must be one of v2, v2beta1")
                _check_key_id(status.key_id)
                if self._seed is None or self._seed.key_id != status.key_id:
                    self._seed = self._made()
            except Unavailable as error:
                self.problem = str(error)
                raise
            self.problem = ""

    def close(self) -> None:
        self._client.close()

    def seal(self, value: bytes, place: str) -> bytes:
        from pybernetes.apiserver.encryption.kms_v2_pb2 import HKDF_SHA256_XNONCE_AES_GCM_SEED, EncryptedObject

        seed = self._seed
        if seed is None:
            raise Unopened(f"kms provider {self.name}: {self.problem}")
        made = EncryptedObject(
            encrypted_data=SeededGcm(seed.seed).seal(value, place),
            key_id=seed.key_id,
            encrypted_dek_source=seed.sealed,
            annotations=seed.annotations,
            encrypted_dek_source_type=HKDF_SHA256_XNONCE_AES_GCM_SEED,
        )
        return made.SerializeToString()

    def open(self, sealed: bytes, place: str) -> bytes:
        return self.opened(sealed, place)[0]

    def opened(self, sealed: bytes, place: str) -> tuple[bytes, bool]:
        from google.protobuf.message import DecodeError

        from pybernetes.apiserver.encryption.kms_v2_pb2 import HKDF_SHA256_XNONCE_AES_GCM_SEED, EncryptedObject

        try:
            stored = EncryptedObject.FromString(sealed)
        except DecodeError as error:
            raise Unopened(f"the encrypted object cannot be read: {error}") from error
        if not stored.encrypted_data or not stored.encrypted_dek_source:
            raise Unopened("encrypted data is empty")
        seeded = stored.encrypted_dek_source_type == HKDF_SHA256_XNONCE_AES_GCM_SEED
        value = self._cipher_of(stored, seeded=seeded).open(stored.encrypted_data, place)
        return value, not seeded or self._seed is None or stored.key_id != self._seed.key_id

    def _cipher_of(self, stored: Any, *, seeded: bool) -> Cipher:
        """Raises Unopened."""
        from pybernetes.apiserver.encryption.kms_v2_pb2 import DecryptRequest, DecryptResponse

        key = b"%d %b %b" % (seeded, stored.key_id.encode(), stored.encrypted_dek_source)
        known = self._ciphers.get(key)
        if known is not None:
            return known
        request = DecryptRequest(
            ciphertext=stored.encrypted_dek_source,
            uid=str(uuid.uuid4()),
            key_id=stored.key_id,
            annotations=dict(stored.annotations),
        )
        try:
            secret = self._client.call("Decrypt", request, DecryptResponse).plaintext
        except Unavailable as error:
            raise Unopened(f"failed to decrypt DEK, error: {error}") from error
        if not seeded:
            return AesGcm(secret)
        made = self._ciphers[key] = SeededGcm(secret)
        return made

    def _made(self) -> Seed:
        """Raises Unavailable."""
        from pybernetes.apiserver.encryption.kms_v2_pb2 import EncryptRequest, EncryptResponse

        secret = os.urandom(SEED_BYTES)
        answer = self._client.call("Encrypt", EncryptRequest(plaintext=secret, uid=str(uuid.uuid4())), EncryptResponse)
        _check_key_id(answer.key_id)
        if not 0 < len(answer.ciphertext) <= _LONGEST_SEED:
            raise Unavailable(f"encrypted DEK source is {len(answer.ciphertext)} bytes, which is empty or too much")
        if sum(len(name) + len(value) for name, value in answer.annotations.items()) > _LARGEST_ANNOTATIONS:
            raise Unavailable("annotations exceed 32 kB")
        seed = Seed(secret, answer.key_id, answer.ciphertext, dict(answer.annotations))
        self._ciphers[b"%d %b %b" % (True, seed.key_id.encode(), seed.sealed)] = SeededGcm(secret)
        return seed


class SeededGcm(Cipher):
    """AES-GCM with a key for each value: what the seed and 32 random bytes before the value make."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def seal(self, value: bytes, place: str) -> bytes:
        info = os.urandom(_INFO)
        return info + AesGcm(self._key(info)).seal(value, place)

    def open(self, sealed: bytes, place: str) -> bytes:
        if len(sealed) < _INFO:
            raise Unopened("the stored data was shorter than the required size")
        return AesGcm(self._key(sealed[:_INFO])).open(sealed[_INFO:], place)

    def _key(self, info: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

        return HKDFExpand(SHA256(), SEED_BYTES, info).derive(self._seed)


def _check_key_id(key_id: str) -> None:
    """Raises Unavailable."""
    if not key_id:
        raise Unavailable("keyID is empty")
    if len(key_id.encode()) > _LONGEST_KEY_ID:
        raise Unavailable(f"keyID is {len(key_id.encode())} bytes, which exceeds the max size of {_LONGEST_KEY_ID}")
