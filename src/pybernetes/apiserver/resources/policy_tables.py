"""Defaults, columns and hooks that admission policies and their bindings share.

Follows pkg/apis/admissionregistration/v1/defaults.go and pkg/printers/internalversion/printers.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from pybernetes.apiserver.columns import AGE, NAME
from pybernetes.apiserver.resource import Column, Document
from pybernetes.apiserver.resources.defaults import Table, WhenAbsent

UNSET = "<unset>"
RESERVED_SUFFIX = ".static.k8s.io"


def _match_defaults(path: str) -> Table:
    return {
        f"{path}.matchPolicy": WhenAbsent("Equivalent"),
        f"{path}.namespaceSelector": {},
        f"{path}.objectSelector": {},
        f"{path}.resourceRules[].scope": WhenAbsent("*"),
        f"{path}.excludeResourceRules[].scope": WhenAbsent("*"),
    }


POLICY_DEFAULTS: Table = {"spec.failurePolicy": WhenAbsent("Fail"), **_match_defaults("spec.matchConstraints")}
BINDING_DEFAULTS: Table = _match_defaults("spec.matchResources")


def _param_kind(document: Document, now: datetime) -> str:
    kind = (document.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET


def _param_ref(document: Document, now: datetime) -> str:
    ref = (document.get("spec") or {}).get("paramRef")
    if not ref:
        return UNSET
    if ref.get("name"):
        return f"{ref.get('namespace') or '*'}/{ref['name']}"
    return _selector(ref["selector"]) if ref.get("selector") is not None else UNSET


def _selector(selector: Document) -> str:
    """As Go prints one."""
    labels = "".join(f"{key}: {value}," for key, value in sorted((selector.get("matchLabels") or {}).items()))
    expressions = "".join(
        f"LabelSelectorRequirement{{Key:{one.get('key', '')},Operator:{one.get('operator', '')},"
        f"Values:[{' '.join(one.get('values') or ())}],}},"
        for one in selector.get("matchExpressions") or ()
    )
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )


PARAM_KIND = Column(
    "ParamKind",
    _param_kind,
    description="ParamKind specifies the kind of resources used to parameterize this policy",
)
BINDING_COLUMNS = (
    NAME,
    Column(
        "PolicyName",
        lambda document, now: (document.get("spec") or {}).get("policyName", ""),
        description="PolicyName indicates the policy definition which the policy binding binded to",
    ),
    Column(
        "ParamRef",
        _param_ref,
        description="ParamRef indicates the param resource which sets the configuration param",
    ),
    AGE,
)


def counting(name: str, field: str, description: str) -> Column:
    def count(document: Document, now: datetime) -> int:
        return len((document.get("spec") or {}).get(field) or ())

    return Column(name, count, "integer", description=description)


def warnings_of(document: Document) -> Iterator[str]:
    if document["metadata"].get("name", "").endswith(RESERVED_SUFFIX):
        yield (
            f'metadata.name: names ending with "{RESERVED_SUFFIX}" are reserved for static manifest-based '
            "configurations and cannot be managed via the API"
        )
