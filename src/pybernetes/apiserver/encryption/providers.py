"""How a value is sealed and opened. The libraries are loaded by whoever uses them.

A sealed value begins with the provider's prefix and the name of its key: `k8s:enc:aesgcm:v1:key1:…`.

Follows k8s.io/apiserver/pkg/storage/value (transformer.go, encrypt/aes, encrypt/secretbox, encrypt/identity).
"""

from __future__ import annotations

import base64
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from pybernetes.apiserver.encryption.configuration import Keys, Provider

SEALED = b"k8s:enc:"
_SHORT = "the stored data was shorter than the required size"
_NONCE, _BLOCK, _BOX_NONCE, _BOX_TAG = 12, 16, 24, 16


class Unopened(Exception):
    """A value that cannot be read; the message is what clients are told."""


class Unavailable(Exception):
    """A key management service does not answer, or not as it should."""


class Cipher(ABC):
    """``place`` is the key under which the value is stored: a value that is moved elsewhere may not open."""

    @abstractmethod
    def seal(self, value: bytes, place: str) -> bytes: ...

    @abstractmethod
    def open(self, sealed: bytes, place: str) -> bytes:
        """Raises Unopened."""

    def opened(self, sealed: bytes, place: str) -> tuple[bytes, bool]:
        """The value, and whether it should be sealed anew. Raises Unopened."""
        return self.open(sealed, place), False


class Service(Cipher):
    """A cipher whose keys somebody else guards."""

    name: str
    problem: str
    """Why whoever guards them is not well; "" if it is."""

    @abstractmethod
    def refresh(self) -> None:
        """Asks how it is; it may have another key. Waits. Raises Unavailable."""

    @abstractmethod
    def close(self) -> None: ...


class AesGcm(Cipher):
    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher = AESGCM(secret)

    def seal(self, value: bytes, place: str) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, value, place.encode())

    def open(self, sealed: bytes, place: str) -> bytes:
        from cryptography.exceptions import InvalidTag

        if len(sealed) < _NONCE:
            raise Unopened(_SHORT)
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], place.encode())
        except InvalidTag as error:
            raise Unopened("cipher: message authentication failed") from error


class AesCbc(Cipher):
    """Does not notice when a value was changed or moved."""

    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.algorithms import AES

        self._key = AES(secret)

    def seal(self, value: bytes, place: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, modes
        from cryptography.hazmat.primitives.padding import PKCS7

        start = os.urandom(_BLOCK)
        padder = PKCS7(8 * _BLOCK).padder()
        work = Cipher(self._key, modes.CBC(start)).encryptor()
        return start + work.update(padder.update(value) + padder.finalize()) + work.finalize()

    def open(self, sealed: bytes, place: str) -> bytes:
        from cryptography.hazmat.primitives.ciphers import Cipher, modes
        from cryptography.hazmat.primitives.padding import PKCS7

        start, rest = sealed[:_BLOCK], sealed[_BLOCK:]
        if len(start) < _BLOCK:
            raise Unopened(_SHORT)
        if len(rest) % _BLOCK:
            raise Unopened("the stored data is not a multiple of the block size")
        work = Cipher(self._key, modes.CBC(start)).decryptor()
        unpadder = PKCS7(8 * _BLOCK).unpadder()
        try:
            return unpadder.update(work.update(rest) + work.finalize()) + unpadder.finalize()
        except ValueError as error:
            raise Unopened("invalid padding on input") from error


class Secretbox(Cipher):
    def __init__(self, secret: bytes) -> None:
        from nacl.secret import SecretBox

        self._box = SecretBox(secret)

    def seal(self, value: bytes, place: str) -> bytes:
        return bytes(self._box.encrypt(value))

    def open(self, sealed: bytes, place: str) -> bytes:
        from nacl.exceptions import CryptoError

        if len(sealed) < _BOX_NONCE + _BOX_TAG:
            raise Unopened(_SHORT)
        try:
            return self._box.decrypt(sealed)
        except CryptoError as error:
            raise Unopened("output array was not large enough for encryption") from error


class Identity(Cipher):
    """Leaves values as they are, but reads none that somebody else has sealed."""

    def seal(self, value: bytes, place: str) -> bytes:
        return value

    def open(self, sealed: bytes, place: str) -> bytes:
        if sealed.startswith(SEALED):
            raise Unopened("identity transformer tried to read encrypted data")
        return sealed


class Prefixed(Cipher):
    """Several ciphers, told apart by what values begin with; the first one seals."""

    def __init__(self, ciphers: Sequence[tuple[bytes, Cipher]], unknown: str) -> None:
        self._ciphers = tuple(ciphers)
        self._unknown = unknown

    @property
    def members(self) -> Sequence[Cipher]:
        return [cipher for _, cipher in self._ciphers]

    @property
    def prefix(self) -> bytes:
        """Of what is sealed from now on."""
        return self._ciphers[0][0]

    def seal(self, value: bytes, place: str) -> bytes:
        prefix, cipher = self._ciphers[0]
        return prefix + cipher.seal(value, place)

    def open(self, sealed: bytes, place: str) -> bytes:
        return self.opened(sealed, place)[0]

    def opened(self, sealed: bytes, place: str) -> tuple[bytes, bool]:
        problems = []
        for index, (prefix, cipher) in enumerate(self._ciphers):
            if not sealed.startswith(prefix):
                continue
            rest = sealed[len(prefix) :]
            try:
                value, stale = cipher.opened(rest, place)
            except Unopened as error:
                if prefix:
                    problems.append(str(error))
                continue
            return value, stale or index > 0
        if not problems:
            raise Unopened(self._unknown)
        raise Unopened(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")


_MAKES: dict[str, tuple[Callable[[bytes], Cipher], str]] = {
    "aesgcm": (AesGcm, "AES"),
    "aescbc": (AesCbc, "AES"),
    "secretbox": (Secretbox, "Secretbox"),
}


def made(provider: Provider) -> tuple[bytes, Cipher]:
    """What values begin with that it has sealed, and itself. Raises Unavailable."""
    if provider.kms is not None:
        from pybernetes.apiserver.encryption.kms import Kms

        return SEALED + f"kms:v2:{provider.kms.name}:".encode(), Kms(provider.kms)
    for name, (make, shown) in _MAKES.items():
        keys: Keys | None = getattr(provider, name)
        if keys is not None:
            ciphers = [(f"{key.name}:".encode(), make(base64.b64decode(key.secret))) for key in keys.keys]
            unknown = f"no matching key was found for the provided {shown} transformer"
            return SEALED + f"{name}:v1:".encode(), Prefixed(ciphers, unknown)
    return b"", Identity()
