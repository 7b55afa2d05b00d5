"""What an operation is described with: a verb, the kind and the subresource, put together by rule. Pure."""

from __future__ import annotations

from pybernetes.apiserver.openapi.operations import Operation

_INSTEAD = "deprecated: use the 'watch' parameter with a list operation instead"
_OF_COLLECTIONS = {
    "watch": f"watch changes to an object of kind {{}}. {_INSTEAD}, filtered to a single item with the "
    "'fieldSelector' parameter.",
    "watchlist": f"watch individual changes to a list of {{}}. {_INSTEAD}.",
    "deletecollection": "delete collection of {}",
}
_OF_ONE = {"get": "read", "put": "replace", "patch": "partially update"}


def sentence_for(operation: Operation, kind: str, subresource: str, can_watch: bool) -> str:
    """``kind`` is that of the resource, also where the subresource has its own."""
    if operation.action == "connect":
        return f"connect {operation.method.upper()} requests to {subresource} of {kind}"
    if operation.action == "list":
        return f"list or watch objects of kind {kind}" if can_watch else f"list objects of kind {kind}"
    if operation.action in _OF_COLLECTIONS:
        return _OF_COLLECTIONS[operation.action].format(kind)
    if operation.action in _OF_ONE:
        part = f"{subresource} of " if subresource else ""
        return f"{_OF_ONE[operation.action]} {part}the specified {kind}"
    part = f"{subresource} of " if subresource else ""
    return f"{operation.word} {part}{with_article(kind)}"


def with_article(noun: str) -> str:
    """Plurals have none."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun
    return f"an {noun}" if noun[0] in "AEIOU" else f"a {noun}"
