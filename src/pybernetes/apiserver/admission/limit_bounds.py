"""Whether a request and a limit keep a bound: each answers with upstream's sentence, "" if it is kept.

Follows the constraint functions of plugin/pkg/admission/limitranger.
"""

from __future__ import annotations

from pybernetes.api.quantity import Quantity


def at_least(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    said = f"minimum {name} usage per {kind} is {bound}"
    if request is None:
        return f"{said}.  No request is specified"
    if request < bound:
        return f"{said}, but request is {request}"
    if limit is not None and limit < bound:
        return f"{said}, but limit is {limit}"
    return ""


def at_most(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    said = f"maximum {name} usage per {kind} is {bound}"
    if limit is None:
        return f"{said}.  No limit is specified"
    if limit > bound:
        return f"{said}, but limit is {limit}"
    if request is not None and request > bound:
        return f"{said}, but request is {request}"
    return ""


def request_at_most(kind: str, name: str, bound: Quantity, request: Quantity | None) -> str:
    """Where limits say nothing."""
    said = f"maximum {name} usage per {kind} is {bound}"
    if request is None:
        return f"{said}.  No request is specified"
    return f"{said}, but request is {request}" if request > bound else ""


def ratio_at_most(kind: str, name: str, bound: Quantity, request: Quantity | None, limit: Quantity | None) -> str:
    said = f"{name} max limit to request ratio per {kind} is {bound}"
    if not request:
        return f"{said}, but no request is specified or request is 0"
    if not limit:
        return f"{said}, but no limit is specified or limit is 0"
    ratio = limit.milli() / request.milli()
    return f"{said}, but provided ratio is {ratio:f}" if ratio * 1000 > bound.milli() else ""
