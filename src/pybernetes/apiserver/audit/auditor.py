"""Begins to tell of requests, by the policy.

Follows k8s.io/apiserver/pkg/endpoints/filters/audit.go and authn_audit.go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address

from pybernetes.api.meta import format_micro_time
from pybernetes.apiserver.access import attributes_of
from pybernetes.apiserver.audit.event import Audited, Sink, Taken, user_info
from pybernetes.apiserver.audit.policy import NAMES, Level, Policy
from pybernetes.apiserver.auth.contract import Attributes, User
from pybernetes.apiserver.fairness.contract import goes_on
from pybernetes.apiserver.http import ApiRequest, ApiResponse
from pybernetes.apiserver.request_info import RequestInfo
from pybernetes.apiserver.resource import Document

DEPRECATED = {("", "v1", "endpoints"), ("", "v1", "componentstatuses")}
LONGEST_AGENT = 1024


class Auditor:
    def __init__(
        self,
        policy: Policy,
        sink: Sink,
        now: Callable[[], datetime],
        *,
        waits: bool = False,
        strict: bool = False,
        lost: dict[str, int] | None = None,
    ) -> None:
        """``waits``: requests go on when what was told of them has been taken in. ``strict``: one that could not be
        told of when it came is refused."""
        self._policy = policy
        self._sink = sink
        self._now = now
        self.waits = waits
        self.strict = strict
        self.events = 0
        self.rejected = 0
        self.levels: dict[str, int] = {}
        self.lost = {} if lost is None else lost
        """By where they should have gone."""

    def take(self, event: bytes) -> Taken:
        """Of a request: for the sink, and counted."""
        self.events += 1
        return self._sink.take(event)

    async def has_taken(self, audited: Audited) -> bool:
        """Whether what was told last has been taken in; waits for that where it is not known at once."""
        taken = audited.taken
        if isinstance(taken, asyncio.Future):
            if not self.waits:
                return True
            taken = await taken
        return taken

    def begin(self, user: User, info: RequestInfo, request: ApiRequest) -> Audited | None:
        """Of a request whose user is known; None where the policy does not want it told."""
        audited = self._audited(user, info, request)
        if audited is not None:
            audited.received()
        return audited

    def turned_away(self, info: RequestInfo, request: ApiRequest, answer: ApiResponse) -> None:
        """Nobody knows who asks."""
        audited = self._audited(None, info, request)
        if audited is not None:
            audited.answered(answer)
            audited.started()

    def answered(self, audited: Audited, info: RequestInfo, answer: ApiResponse) -> None:
        """What is not sent whole is complete only when its end has been sent: whoever sends it says so."""
        if (info.group, info.version, info.resource) in DEPRECATED:
            audited.annotate("k8s.io/deprecated", "true")
        audited.answered(answer)
        if info.verb == "watch" or goes_on(info):
            audited.started()
        if answer.is_whole and answer.upgrade is None:
            audited.complete()

    def _audited(self, user: User | None, info: RequestInfo, request: ApiRequest) -> Audited | None:
        asked = attributes_of(info, request)[0]
        verdict = self._policy.judge(user, asked)
        level = NAMES[Level.NONE if verdict is None else verdict.level]
        self.levels[level] = self.levels.get(level, 0) + 1
        if verdict is None:
            return None
        return Audited(self._head(user, asked, request), verdict, self, self._now)

    def _head(self, user: User | None, asked: Attributes, request: ApiRequest) -> Document:
        agent = request.headers.get("user-agent", "")
        if len(agent) > LONGEST_AGENT:
            agent = agent[:LONGEST_AGENT] + "...TRUNCATED"
        head: Document = {
            "auditID": request.audit_id,
            "requestURI": request.uri or request.path,
            "verb": asked.verb,
            "user": user_info(user) if user is not None else {},
            "requestReceivedTimestamp": format_micro_time(self._now()),
        }
        if sources := source_ips(request):
            head["sourceIPs"] = sources
        if agent:
            head["userAgent"] = agent
        if asked.is_resource:
            head["objectRef"] = {
                "resource": asked.resource,
                "namespace": asked.namespace,
                "name": asked.name,
                "apiGroup": asked.group,
                "apiVersion": asked.version,
                "subresource": asked.subresource,
            }
        return head


def source_ips(request: ApiRequest) -> Sequence[str]:
    """What proxies say of the way that a request took, and where it came from in the end."""
    found = list(_addresses(request.headers.get("x-forwarded-for", "").split(",")))
    found += [one for one in _addresses((request.headers.get("x-real-ip", ""),)) if one not in found]
    found += [one for one in _addresses((request.remote,)) if one not in found[-1:]]
    return found


def _addresses(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        try:
            yield str(ip_address(text.strip()))
        except ValueError:
            continue
