"""ValidatingWebhookConfiguration: webhooks that may refuse what is written.

Follows pkg/registry/admissionregistration/validatingwebhookconfiguration and
pkg/apis/admissionregistration/v1/defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from pybernetes.api.fields import FieldError
from pybernetes.api.kinds import info_of
from pybernetes.api.models.admissionregistration_v1 import ValidatingWebhookConfiguration
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.resources.defaults import compile_defaults
from pybernetes.apiserver.resources.webhook_tables import COLUMNS, WEBHOOK_DEFAULTS, webhooks_changed
from pybernetes.apiserver.validation.webhooks import check_configuration, leniency_of, warnings_of


def validate_update(new: ValidatingWebhookConfiguration, old: ValidatingWebhookConfiguration) -> Iterator[FieldError]:
    return check_configuration(new, leniency_of(new, old))


VALIDATING_WEBHOOK_CONFIGURATIONS = Resource(
    info=info_of(ValidatingWebhookConfiguration),
    categories=("api-extensions",),
    defaults=compile_defaults(WEBHOOK_DEFAULTS),
    validate=check_configuration,
    validate_update=validate_update,
    judges_updates_alone=True,
    warnings=warnings_of,
    generation=webhooks_changed,
    compared_exactly="webhooks",
    columns=COLUMNS,
    allows_unconditional_update=False,
)

RESOURCES = (VALIDATING_WEBHOOK_CONFIGURATIONS,)
