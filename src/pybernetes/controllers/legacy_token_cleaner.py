"""Tokens of service accounts in Secrets that nobody has used for a year are marked invalid, and removed a year later.

Guarantees
  Only Secrets that their account refers to: those were made by older clusters, nobody asked for them.
  None that a pod refers to, none that is younger than a year, and none before the API server has noted for a year
  when tokens are used (`kubernetes.io/legacy-token-last-used`).
  Between the mark (`kubernetes.io/legacy-token-invalid-since`) and the removal, taking off the label is enough to
  have the token back.
It looks once a day, and only then at Secrets: they are not kept in memory.
Follows pkg/controller/serviceaccount/legacy_serviceaccount_token_cleaner.go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import structlog

from pybernetes.api import codec
from pybernetes.api.errors import ApiError
from pybernetes.api.meta import Key
from pybernetes.api.models import core_v1
from pybernetes.api.pod_references import references
from pybernetes.controllers.controller import DONE, Controller, Every, Reads, Result

log = structlog.get_logger(__name__)

SYNC = timedelta(hours=24)
CLEAN_UP_PERIOD = timedelta(days=365)
TRACKING = Key("kube-system", "kube-apiserver-legacy-service-account-token-tracking")
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
SECRET_TYPE = "kubernetes.io/service-account-token"
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"


class Step(Enum):
    KEEP = auto()
    INVALIDATE = auto()
    REMOVE = auto()


def is_tracked_long_enough(since: str, now: datetime) -> bool:
    """`since` is the day on which the API server began to note. Raises ValueError if it is none."""
    return now >= _day(since) + timedelta(days=1) + CLEAN_UP_PERIOD


def is_idle(secret: core_v1.Secret, now: datetime) -> bool:
    """It is old and has not been used for long. What its label says must be a day."""
    metadata, before = secret.metadata, now - CLEAN_UP_PERIOD
    if metadata.creation_timestamp is None or metadata.creation_timestamp >= before:
        return False
    if metadata.deletion_timestamp is not None:
        return False
    last_used = metadata.labels.get(LAST_USED)
    if last_used is None:
        return True
    try:
        return _day(last_used) < _day(_text(before))
    except ValueError:
        log.warning("a token's last use cannot be read", namespace=metadata.namespace, secret=metadata.name)
        return False


def is_auto_generated(secret: core_v1.Secret, account: core_v1.ServiceAccount | None) -> bool:
    """Its account refers to it."""
    if account is None:
        return False
    uid = secret.metadata.annotations.get(ACCOUNT_UID, "")
    return uid in ("", account.metadata.uid) and any(one.name == secret.metadata.name for one in account.secrets)


def next_step(secret: core_v1.Secret, now: datetime) -> Step:
    """Of an idle, auto-generated token that no pod uses."""
    try:
        since = _day(secret.metadata.labels.get(INVALID_SINCE, ""))
    except ValueError:
        return Step.INVALIDATE
    return Step.REMOVE if since < _day(_text(now - CLEAN_UP_PERIOD)) else Step.KEEP


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d")


def is_named(secret: core_v1.Secret, pods: Iterable[core_v1.Pod]) -> bool:
    wanted = ("secrets", secret.metadata.namespace, secret.metadata.name)
    return any(wanted in references(codec.to_document(pod)) for pod in pods)


class LegacyTokenCleaner(Controller):
    name = "legacy-serviceaccount-token-cleaner-controller"
    watches = (Every(SYNC.total_seconds()), Reads(core_v1.ServiceAccount), Reads(core_v1.Pod))
    workers = 1

    async def reconcile(self, key: Key) -> Result:
        now = self.clock.now()
        since = await self._tracked_since()
        if since is None or not is_tracked_long_enough(since, now):
            return DONE
        async for secret in self._token_secrets():
            if is_idle(secret, now) and self._is_unwanted(secret):
                await self._take(next_step(secret, now), secret, now)
        return DONE

    def _is_unwanted(self, secret: core_v1.Secret) -> bool:
        metadata = secret.metadata
        account = Key(metadata.namespace, metadata.annotations.get(ACCOUNT_NAME, ""))
        if not is_auto_generated(secret, self.informer(core_v1.ServiceAccount).get(account)):
            return False
        return not is_named(secret, self.informer(core_v1.Pod).list(metadata.namespace))

    async def _take(self, step: Step, secret: core_v1.Secret, now: datetime) -> None:
        metadata = secret.metadata
        if step is Step.INVALIDATE:
            log.info("a service account's token is marked invalid", namespace=metadata.namespace, secret=metadata.name)
            patch = {"metadata": {"uid": metadata.uid, "labels": {INVALID_SINCE: _text(now)}}}
            await self.client.patch(core_v1.Secret, metadata.name, metadata.namespace, patch)
        elif step is Step.REMOVE:
            log.info("a service account's token is removed", namespace=metadata.namespace, secret=metadata.name)
            await self._remove(secret)

    async def _remove(self, secret: core_v1.Secret) -> None:
        metadata = secret.metadata
        try:
            await self.client.delete(
                core_v1.Secret, metadata.name, metadata.namespace, resource_version=metadata.resource_version
            )
        except ApiError as error:
            if error.code not in (404, 409):
                raise

    async def _tracked_since(self) -> str | None:
        """None: the API server does not note it."""
        try:
            tracking = await self.client.get(core_v1.ConfigMap, TRACKING.name, TRACKING.namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise
        return tracking.data.get("since")

    async def _token_secrets(self) -> AsyncIterator[core_v1.Secret]:
        secrets = self.context.client.of(core_v1.Secret)
        async for secret in secrets.pages(field_selector=f"type={SECRET_TYPE}"):
            yield secret
