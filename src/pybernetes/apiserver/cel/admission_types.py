"""The static types of what expressions about a request may name.

Follows k8s.io/apiserver/pkg/admission/plugin/cel/compile.go.
"""

from __future__ import annotations

from pybernetes.cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK
from pybernetes.cel.types import BOOL, DYN, INT, STRING, TIMESTAMP, Type, list_of, map_of, object_type

_STRINGS = list_of(STRING)
_LABELS = map_of(STRING, STRING)


def _kubernetes(name: str, /, **fields: Type) -> Type:
    return object_type(f"kubernetes.{name}", fields)


_KIND = _kubernetes("GroupVersionKind", group=STRING, version=STRING, kind=STRING)
_RESOURCE = _kubernetes("GroupVersionResource", group=STRING, version=STRING, resource=STRING)
_USER = _kubernetes("UserInfo", username=STRING, uid=STRING, groups=_STRINGS, extra=map_of(STRING, _STRINGS))

REQUEST = _kubernetes(
    "AdmissionRequest",
    kind=_KIND,
    resource=_RESOURCE,
    subResource=STRING,
    requestKind=_KIND,
    requestResource=_RESOURCE,
    requestSubResource=STRING,
    name=STRING,
    namespace=STRING,
    operation=STRING,
    userInfo=_USER,
    dryRun=BOOL,
    options=DYN,
)

_METADATA = _kubernetes(
    "NamespaceMetadata",
    name=STRING,
    generateName=STRING,
    namespace=STRING,
    labels=_LABELS,
    annotations=_LABELS,
    UID=STRING,
    creationTimestamp=TIMESTAMP,
    deletionGracePeriodSeconds=INT,
    deletionTimestamp=TIMESTAMP,
    generation=INT,
    resourceVersion=STRING,
    finalizers=_STRINGS,
)
_CONDITION = _kubernetes(
    "NamespaceCondition", status=STRING, type=STRING, lastTransitionTime=TIMESTAMP, message=STRING, reason=STRING
)
NAMESPACE = _kubernetes(
    "Namespace",
    metadata=_METADATA,
    spec=_kubernetes("NamespaceSpec", finalizers=_STRINGS),
    status=_kubernetes("NamespaceStatus", conditions=list_of(_CONDITION), phase=STRING),
)

REQUEST_VARIABLES: dict[str, Type] = {
    "object": DYN,
    "oldObject": DYN,
    "namespaceObject": NAMESPACE,
    "request": REQUEST,
}
PARAMS: dict[str, Type] = {"params": DYN}
AUTHORIZATION: dict[str, Type] = {"authorizer": AUTHORIZER, "authorizer.requestResource": RESOURCE_CHECK}
