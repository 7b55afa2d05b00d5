"""MutatingWebhookConfiguration: webhooks that may change what is written, before it is validated.

Follows pkg/registry/admissionregistration/mutatingwebhookconfiguration and
pkg/apis/admissionregistration/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import MutatingWebhookConfiguration
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.defaults import WhenAbsent, compile_defaults
from pybernetes.apiserver.resources.webhook_tables import COLUMNS, WEBHOOK_DEFAULTS, webhooks_changed
from pybernetes.apiserver.validation.webhooks import check_configuration, leniency_of, warnings_of


def validate_update(new: MutatingWebhookConfiguration, old: MutatingWebhookConfiguration) -> Iterator[FieldError]:
    return check_configuration(new, leniency_of(new, old))


MUTATING_WEBHOOK_CONFIGURATIONS = Resource(
    info=info_of(MutatingWebhookConfiguration),
    categories=("api-extensions",),
    defaults=compile_defaults(WEBHOOK_DEFAULTS, {"webhooks[].reinvocationPolicy": WhenAbsent("Never")}),
    validate=check_configuration,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings_of,
    generation=webhooks_changed,
    compared_exactly="webhooks",
    columns=COLUMNS,
    allows_unconditional_update=False,
)

RESOURCES = (MUTATING_WEBHOOK_CONFIGURATIONS,)
