"""Acting as somebody else: the `Impersonate-*` headers.

Guarantees
  Constrained modes are tried first: they need `impersonate:<mode>` on each part of the identity and
  `impersonate-on:<mode>:<verb>` on what is asked for. Plain `impersonate` on each part is enough, too.
  A refusal is that of the first mode that applies.

Follows k8s.io/apiserver/pkg/endpoints/filters/impersonation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from msgspec import structs

from pybernetes.api import errors
from pybernetes.api.fields import FieldPath, invalid, is_dns_label, is_dns_subdomain, is_domain_prefixed_path, quoted
from pybernetes.apiserver.access import attributes_of, forbidden
from pybernetes.apiserver.auth.authorizers import NODE_PREFIX, NODES_GROUP
from pybernetes.apiserver.auth.contract import (
    ANONYMOUS,
    AUTHENTICATED_GROUP,
    MASTERS_GROUP,
    UNAUTHENTICATED_GROUP,
    Attributes,
    Authorizer,
    Decision,
    User,
)
from pybernetes.apiserver.auth.service_accounts import USER_PREFIX, groups_of
from pybernetes.apiserver.http import ApiRequest
from pybernetes.apiserver.request_info import RequestInfo

AUTHENTICATION_GROUP = "authentication.k8s.io"
NODE_NAME_KEY = "authentication.kubernetes.io/node-name"
_PREFIX = "impersonate-"
_EXTRA = "impersonate-extra-"
MANY = 4
"""From so many groups or extra values on, the right to all of them is asked for first."""


@dataclass(frozen=True, slots=True)
class Mode:
    """``applies(wanted, requestor)``: whether the mode can make this user of that one."""

    name: str
    applies: Callable[[User, User], bool]

    @property
    def verb(self) -> str:
        return f"impersonate:{self.name}"


def _only_named(wanted: User) -> bool:
    return not (wanted.uid or wanted.groups or wanted.extra)


def _is_associated(wanted: User, requestor: User) -> bool:
    node = node_name(wanted.name)
    bound = tuple(requestor.extra.get(NODE_NAME_KEY, ()))
    return bool(_only_named(wanted) and node and account_name(requestor.name) and bound == (node,))


MODES = (
    Mode("associated-node", _is_associated),
    Mode("arbitrary-node", lambda wanted, _: _only_named(wanted) and bool(node_name(wanted.name))),
    Mode("serviceaccount", lambda wanted, _: _only_named(wanted) and account_name(wanted.name) is not None),
    Mode("user-info", lambda wanted, _: not node_name(wanted.name) and account_name(wanted.name) is None),
)
ALL_MODES: tuple[Mode | None, ...] = (*MODES, None)
"""None is plain `impersonate`."""
REMEMBERED = 10_000


class Impersonator:
    """Implements `Impersonation` by what an authorizer allows."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._last: dict[str, Mode | None] = {}

    async def act_as(self, user: User, info: RequestInfo, request: ApiRequest) -> User:
        wanted = wanted_of(request.headers)
        if wanted is None:
            return user
        asked = attributes_of(info, request)[0]
        made, mode = await self._made(user, wanted, asked)
        if request.audited is not None:
            request.audited.impersonated(made, mode.verb if mode is not None else "")
        return made

    async def _made(self, user: User, wanted: User, asked: Attributes) -> tuple[User, Mode | None]:
        refusal: errors.ApiError | None = None
        for mode in self._in_turn(user):
            if mode is not None and not mode.applies(wanted, user):
                continue
            try:
                if mode is not None:
                    await self._require(user, structs.replace(asked, verb=f"impersonate-on:{mode.name}:{asked.verb}"))
                await self._require_parts(user, wanted, mode)
            except errors.ApiError as error:
                refusal = refusal or error
                continue
            if len(self._last) >= REMEMBERED:
                self._last.clear()
            self._last[user.name] = mode
            return completed(wanted, constrained=mode is not None), mode
        raise refusal or errors.internal_error("all impersonation modes failed")

    def _in_turn(self, user: User) -> Sequence[Mode | None]:
        """What the user succeeded with the last time comes first."""
        if user.name not in self._last:
            return ALL_MODES
        last = self._last[user.name]
        return last, *(mode for mode in ALL_MODES if mode is not last)

    async def _require_parts(self, user: User, wanted: User, mode: Mode | None) -> None:
        verb = "impersonate" if mode is None else mode.verb
        group = "" if mode is None else AUTHENTICATION_GROUP
        await self._require(user, _naming(wanted, verb, group, mode))
        if wanted.uid:
            await self._require(user, _part(verb, "uids", wanted.uid))
        groups = [structs.replace(_part(verb, "groups", one), group=group) for one in wanted.groups]
        if mode is not None:
            _check_groups(user, wanted, structs.replace(_part(verb, "groups", ""), group=group))
            _check_extra(user, wanted, _part(verb, "userextras", ""))
        await self._require_all(user, groups, mode, structs.replace(_part(verb, "groups", "*"), group=group))
        extras = [
            structs.replace(_part(verb, "userextras", value), subresource=key)
            for key, values in sorted(wanted.extra.items())
            for value in values
        ]
        await self._require_all(user, extras, mode, structs.replace(_part(verb, "userextras", "*"), subresource="*"))

    async def _require_all(self, user: User, parts: list[Attributes], mode: Mode | None, whole: Attributes) -> None:
        if mode is not None and len(parts) >= MANY and (await self._authorizer.authorize(user, whole)).allowed:
            return
        for part in parts:
            await self._require(user, part)

    async def _require(self, user: User, asked: Attributes) -> None:
        decision = await self._authorizer.authorize(user, asked)
        if not decision.allowed:
            raise forbidden(user, asked, decision)


def wanted_of(headers: Mapping[str, str]) -> User | None:
    """The identity that the headers ask for, as they say it; repeated headers are repeated items. Raises 400."""
    if _PREFIX not in "\n".join(headers).lower():
        return None
    extra: dict[str, tuple[str, ...]] = {}
    groups: list[str] = []
    asked = False
    for name, value in headers.items():
        lowered = name.lower()
        if not lowered.startswith(_PREFIX):
            continue
        asked = True
        if lowered == "impersonate-group":
            groups.append(value)
        elif lowered.startswith(_EXTRA):
            key = unquote(lowered.removeprefix(_EXTRA))
            extra[key] = (*extra.get(key, ()), value)
    if not asked:
        return None
    wanted = User(headers.get("impersonate-user", ""), headers.get("impersonate-uid", ""), tuple(groups), extra)
    if wanted.name:
        return wanted
    if wanted.uid or groups or extra:
        raise errors.bad_request(f"requested {_shown(wanted)} without impersonating a user name")
    return None


def completed(wanted: User, *, constrained: bool) -> User:
    """With the groups that follow from the name."""
    groups = wanted.groups
    account = account_name(wanted.name)
    if account is not None and not groups:
        groups = groups_of(account[0])
    elif constrained and node_name(wanted.name):
        groups = (NODES_GROUP,)
    if wanted.name == ANONYMOUS:
        more = UNAUTHENTICATED_GROUP
    elif UNAUTHENTICATED_GROUP in groups:
        return replace(wanted, groups=groups)
    else:
        more = AUTHENTICATED_GROUP
    return replace(wanted, groups=groups if more in groups else (*groups, more))


def node_name(user: str) -> str:
    """The node that a user name stands for, or ""."""
    name = user.removeprefix(NODE_PREFIX)
    return "" if name == user or is_dns_subdomain(name) else name


def account_name(user: str) -> tuple[str, str] | None:
    """Namespace and name of the service account that a user name stands for."""
    rest = user.removeprefix(USER_PREFIX)
    parts = rest.split(":")
    if rest == user or len(parts) != 2 or is_dns_label(parts[0]) or is_dns_subdomain(parts[1]):
        return None
    return parts[0], parts[1]


def _part(verb: str, resource: str, name: str) -> Attributes:
    return Attributes(verb, group=AUTHENTICATION_GROUP, version="v1", resource=resource, name=name)


def _naming(wanted: User, verb: str, group: str, mode: Mode | None) -> Attributes:
    asked = Attributes(verb, group=group, version="v1", resource="users", name=wanted.name)
    account, node = account_name(wanted.name), node_name(wanted.name)
    if account is not None:
        return structs.replace(asked, resource="serviceaccounts", namespace=account[0], name=account[1])
    if mode is not None and node:
        return structs.replace(asked, resource="nodes", name="*" if mode.name == "associated-node" else node)
    return asked


def _check_groups(user: User, wanted: User, asked: Attributes) -> None:
    if "" in wanted.groups:
        raise forbidden(user, asked, Decision(False, "impersonating the empty string group is not allowed"))
    if MASTERS_GROUP in wanted.groups:
        why = f"impersonating the {MASTERS_GROUP} group is not allowed"
        raise forbidden(user, structs.replace(asked, name=MASTERS_GROUP), Decision(False, why))


def _check_extra(user: User, wanted: User, asked: Attributes) -> None:
    for key, values in sorted(wanted.extra.items()):
        why = _wrong_extra(key, values)
        if why:
            raise forbidden(user, asked, Decision(False, why))


def _wrong_extra(key: str, values: Iterable[str]) -> str:
    if not key:
        return "impersonating the empty string key in extra is not allowed"
    problems = [invalid(FieldPath("extra").key, key, message) for message in is_domain_prefixed_path(key)]
    if problems:
        shown = str(problems[0]) if len(problems) == 1 else f"[{', '.join(map(str, problems))}]"
        return f"impersonating an invalid key in extra is not allowed: {shown}"
    if key != key.lower():
        return f"impersonating a non-lowercase key in extra is not allowed: {quoted(key)}"
    return "impersonating the empty string value in extra is not allowed" if "" in values else ""


def _shown(user: User) -> str:
    """As Go shows one."""
    extra = ", ".join(f"{quoted(key)}:{_strings(values)}" for key, values in sorted(user.extra.items()))
    shown = f"map[string][]string{{{extra}}}" if extra else "map[string][]string(nil)"
    groups = _strings(user.groups) if user.groups else "[]string(nil)"
    return f"&user.DefaultInfo{{Name:{quoted(user.name)}, UID:{quoted(user.uid)}, Groups:{groups}, Extra:{shown}}}"


def _strings(values: Iterable[str]) -> str:
    return f"[]string{{{', '.join(map(quoted, values))}}}"
