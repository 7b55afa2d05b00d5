"""What a request asks the authorizer, and how a refusal reads.

Follows k8s.io/apiserver/pkg/endpoints/handlers/responsewriters.
"""

from __future__ import annotations

from functools import lru_cache

from pybernetes.api import errors
from pybernetes.apiserver.auth.contract import Attributes, Decision, User
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import RequestInfo

_STREAMED = frozenset({"exec", "attach", "portforward"})
_SELECTING_VERBS = frozenset({"list", "watch", "deletecollection"})


def attributes_of(info: RequestInfo, request: ApiRequest) -> tuple[Attributes, ...]:
    """One question, or two where a GET opens a stream that a POST would need `create` for."""
    if not info.is_resource:
        return (Attributes(info.verb, info.path, is_resource=False),)
    name, selector = info.name, ""
    if not name and info.verb in _SELECTING_VERBS:
        selector = request.param("fieldSelector")
        name = _selected_name(selector)
    asked = _attributes(info.verb, info, name, selector)
    if info.subresource in _STREAMED and info.verb == "get":
        return asked, _attributes("create", info, name)
    return (asked,)


def _attributes(verb: str, info: RequestInfo, name: str, selector: str = "") -> Attributes:
    return Attributes(
        verb, info.path, True, info.group, info.version, info.resource, info.subresource, info.namespace, name, selector
    )


@lru_cache(maxsize=1024)
def _selected_name(field_selector: str) -> str:
    for part in field_selector.split(","):
        field, _, value = part.replace("==", "=").partition("=")
        if field.strip() == "metadata.name":
            return value.strip()
    return ""


def forbidden(user: User, attributes: Attributes, decision: Decision) -> errors.ApiError:
    error = _forbidden(user, attributes, decision)
    error.headers = {"X-Content-Type-Options": "nosniff"}
    return error


def _forbidden(user: User, attributes: Attributes, decision: Decision) -> errors.ApiError:
    if not attributes.is_resource:
        why = f'User "{user.name}" cannot {attributes.verb} path "{attributes.path}"'
        return errors.ApiError(403, "Forbidden", _because(f"forbidden: {why}", decision), details={})
    resource = attributes.resource
    if attributes.subresource:
        resource += f"/{attributes.subresource}"
    why = f'User "{user.name}" cannot {attributes.verb} resource "{resource}" in API group "{attributes.group}"'
    if attributes.namespace:
        why += f' in the namespace "{attributes.namespace}"'
    else:
        why += " at the cluster scope"
    group_resource = f"{attributes.resource}.{attributes.group}" if attributes.group else attributes.resource
    return errors.forbidden(group_resource, attributes.name, _because(why, decision))


def _because(why: str, decision: Decision) -> str:
    return f"{why}: {decision.reason}" if decision.reason else why
