"""Defaults and columns that mutating and validating webhook configurations share.

Follows pkg/apis/admissionregistration/v1/defaults.go and pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document
from pybernetes.apiserver.resources.defaults import Table, WhenAbsent

WEBHOOK_DEFAULTS: Table = {
    "webhooks[].failurePolicy": WhenAbsent("Fail"),
    "webhooks[].matchPolicy": WhenAbsent("Equivalent"),
    "webhooks[].namespaceSelector": {},
    "webhooks[].objectSelector": {},
    "webhooks[].timeoutSeconds": 10,
    "webhooks[].rules[].scope": WhenAbsent("*"),
    "webhooks[].clientConfig.service.port": 443,
}
COLUMNS = (
    NAME,
    Column(
        "Webhooks",
        lambda document, now: len(document.get("webhooks") or ()),
        "integer",
        description="Webhooks indicates the number of webhooks registered in this configuration",
    ),
    AGE,
)


def webhooks_changed(new: Document, old: Document) -> bool:
    return bool((new.get("webhooks") or []) != (old.get("webhooks") or []))
