"""Old certificate signing requests go: an hour after they were decided, a day while nobody decides or signs, and when
their certificate has expired.

Follows pkg/controller/certificates/cleaner.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import certificates_v1
from pybernetes.controllers.controller import DONE, Controller, Every, Reads, Result

DECIDED = timedelta(hours=1)
PENDING = timedelta(hours=24)
POLLING = timedelta(hours=1)


def is_over(request: certificates_v1.CertificateSigningRequest, now: datetime) -> bool:
    """Nobody needs it any more."""
    conditions = request.status.conditions
    if not conditions:
        return _is_past(request.metadata.creation_timestamp, PENDING, now)
    issued = bool(request.status.certificate)
    for condition in conditions:
        waits = PENDING if condition.type == "Approved" and not issued else DECIDED
        if condition.type in ("Approved", "Denied", "Failed") and _is_past(condition.last_update_time, waits, now):
            return True
        if condition.type == "Approved" and issued and _is_expired(request.status.certificate, now):
            return True
    return False


def _is_past(since: datetime | None, wait: timedelta, now: datetime) -> bool:
    return since is not None and now - since > wait


def _is_expired(certificate: bytes, now: datetime) -> bool:
    from cryptography import x509  # only where there is a certificate: it takes memory

    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc < now
    except ValueError:
        return False


class CsrCleaner(Controller):
    name = "certificatesigningrequest-cleaner-controller"
    watches = (Every(POLLING.total_seconds()), Reads(certificates_v1.CertificateSigningRequest))

    async def reconcile(self, key: Key) -> Result:
        now = self.clock.now()
        for request in self.informer(certificates_v1.CertificateSigningRequest).list():
            if is_over(request, now):
                await self._delete(request)
        return DONE

    async def _delete(self, request: certificates_v1.CertificateSigningRequest) -> None:
        metadata = request.metadata
        try:
            await self.client.delete(type(request), metadata.name, uid=metadata.uid)
        except ApiError as error:
            if error.code != 404:
                raise
