"""What each verb is in OpenAPI: its method, its parameters, its body and its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from pybernetes.apiserver.openapi.schemas import Dialect

MEDIA = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
STREAMED = (*MEDIA, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
CUSTOM_MEDIA = MEDIA[:2]
ANY_MEDIA = ("*/*",)
PATCH_TYPES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
CUSTOM_PATCH_TYPES = tuple(one for one in PATCH_TYPES if "strategic" not in one)
"""Without merge keys there is no strategic merge; kubectl looks here before it sends one."""


class Body(Enum):
    NONE = ""
    OBJECT = "object"
    PATCH = "patch"
    OPTIONS = "options"


class Shows(Enum):
    OBJECT = "object"
    LIST = "list"
    DELETED = "deleted"
    """A Status, or for some kinds the object."""
    STATUS = "status"
    EVENT = "event"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Operation:
    method: str
    action: str
    word: str
    """What the operation's id begins with."""
    query: tuple[str, ...] = ()
    body: Body = Body.NONE
    shows: Shows = Shows.OBJECT
    codes: tuple[str, ...] = ("200",)
    streamed: bool = False


_WRITE = ("dryRun", "fieldManager", "fieldValidation", "pretty")
_SELECT = (
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "pretty",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
)
_LIST = ("allowWatchBookmarks", *_SELECT, "watch")
_DELETE = (
    "dryRun",
    "gracePeriodSeconds",
    "ignoreStoreReadErrorWithClusterBreakingPotential",
    "orphanDependents",
    "pretty",
    "propagationPolicy",
)

COLLECTION = {
    "list": Operation("get", "list", "list", _LIST, shows=Shows.LIST, streamed=True),
    "create": Operation("post", "post", "create", _WRITE, Body.OBJECT, codes=("200", "201", "202")),
    "deletecollection": Operation(
        "delete",
        "deletecollection",
        "delete",
        tuple(sorted({*_SELECT, *_DELETE})),
        Body.OPTIONS,
        Shows.STATUS,
    ),
}
ITEM = {
    "get": Operation("get", "get", "read", ("pretty",)),
    "update": Operation("put", "put", "replace", _WRITE, Body.OBJECT, codes=("200", "201")),
    "patch": Operation("patch", "patch", "patch", (*_WRITE, "force"), Body.PATCH, codes=("200", "201")),
    "delete": Operation("delete", "delete", "delete", _DELETE, Body.OPTIONS, Shows.DELETED, ("200", "202")),
}
SUBRESOURCE = {**ITEM, "create": COLLECTION["create"]}
CUSTOM_COLLECTION = {
    **COLLECTION,
    "deletecollection": replace(COLLECTION["deletecollection"], query=_LIST, body=Body.NONE),
}
CUSTOM_ITEM = {
    **ITEM,
    "get": replace(ITEM["get"], query=("pretty", "resourceVersion")),
    "patch": replace(ITEM["patch"], codes=("200",)),
}
WATCH = Operation("get", "watch", "watch", _LIST, shows=Shows.EVENT, streamed=True)
WATCH_LIST = replace(WATCH, action="watchlist")

_STREAMS = ("container", "stderr", "stdin", "stdout", "tty")
CONNECT = {
    "attach": _STREAMS,
    "exec": ("command", *_STREAMS),
    "portforward": ("ports",),
    "proxy": ("path",),
}
"""Subresources that are connected to, and their parameters."""
STREAMING_METHODS = ("get", "post")
PROXY_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
LOG = Operation(
    "get",
    "get",
    "read",
    (
        "container",
        "follow",
        "insecureSkipTLSVerifyBackend",
        "limitBytes",
        "pretty",
        "previous",
        "sinceSeconds",
        "stream",
        "tailLines",
        "timestamps",
    ),
    shows=Shows.TEXT,
)

INTEGERS = frozenset(
    {"gracePeriodSeconds", "limit", "limitBytes", "ports", "sinceSeconds", "tailLines", "timeoutSeconds"}
)
BOOLEANS = frozenset(
    {
        "allowWatchBookmarks",
        "follow",
        "force",
        "ignoreStoreReadErrorWithClusterBreakingPotential",
        "insecureSkipTLSVerifyBackend",
        "orphanDependents",
        "previous",
        "sendInitialEvents",
        "stderr",
        "stdin",
        "stdout",
        "timestamps",
        "tty",
        "watch",
    }
)
DESCRIPTIONS = {
    "allowWatchBookmarks": "Whether a watch may be told how far it has come by events of the type BOOKMARK.",
    "command": "What is run, and its arguments.",
    "container": "Which of the pod's containers is meant; the only one, if there is one.",
    "continue": "Where the answer goes on, as the one before it said.",
    "fieldManager": "The name of who makes the change.",
    "fieldSelector": "Restricts the answer to objects with these field values.",
    "fieldValidation": "What is done about unknown and duplicate fields: Ignore, Warn (the default) or Strict.",
    "follow": "Go on with what the container writes from now on.",
    "force": "Take over fields that another manager owns (apply patches only).",
    "insecureSkipTLSVerifyBackend": "Do not check the certificate of the node that has the log.",
    "labelSelector": "Restricts the answer to objects with these labels.",
    "limit": "The most objects that one answer may hold.",
    "limitBytes": "The most bytes of the log that are answered.",
    "path": "The path that is asked for behind the proxy.",
    "ports": "Ports that are forwarded.",
    "pretty": "If 'true', then the output is pretty printed.",
    "previous": "The log of the container that ran before this one.",
    "resourceVersion": "How old what is answered may be.",
    "resourceVersionMatch": "How resourceVersion is meant: Exact or NotOlderThan.",
    "sendInitialEvents": "Whether a watch begins with what is there.",
    "shardSelector": "Restricts the answer to a part of all objects.",
    "sinceSeconds": "How many seconds back the log begins.",
    "stderr": "Whether the standard error is carried.",
    "stdin": "Whether the standard input is carried.",
    "stdout": "Whether the standard output is carried.",
    "stream": "Which stream of the container's log is answered: All, Stdout or Stderr.",
    "tailLines": "How many lines from its end the log begins.",
    "timeoutSeconds": "How long a list or watch may take.",
    "timestamps": "Whether each line begins with the time at which it was written.",
    "tty": "Whether the streams are a terminal's.",
    "watch": "Ask for the changes instead of the list.",
}
PATH_DESCRIPTIONS = {"namespace": "the namespace of what is meant", "path": "path to the resource"}
ANSWERS = {"200": "OK", "201": "Created", "202": "Accepted"}


def answered(dialect: Dialect, description: str, schema: dict[str, Any], media: Sequence[str]) -> dict[str, Any]:
    if dialect is Dialect.V3:
        return {"description": description, "content": {one: {"schema": schema} for one in media}}
    return {"description": description, "schema": schema}
