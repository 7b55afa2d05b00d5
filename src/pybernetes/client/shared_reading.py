"""Reading objects that nobody will change: those of one template share what is equal.

Pods are many and made from few templates. Here the spec of a template is decoded once, and pods that say the same share
it; the node's name, which alone tells those apart that have a place, is put into a copy of the outermost struct. Who
manages which field is not read at all, as upstream's informers drop it: it would be most of a pod's memory.

Guarantees  What is read equals what `codec.decode` reads, but for `metadata.managed_fields`.
Caveats     The metadata is of a subclass, which equals none that was decoded otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from pybernetes.api import codec
from pybernetes.api.models import core_v1, meta_v1
from pybernetes.api.recent import Recent
from pybernetes.client.objects import ListHead, ObjectList

T = TypeVar("T")
_NODE_NAME = b',"nodeName":"'
_LONGEST_NAME = 253


class _Metadata(meta_v1.ObjectMeta, kw_only=True):
    # By a name that no server sends: what is sent under the right one is passed over.
    managed_fields: list[meta_v1.ManagedFieldsEntry] = msgspec.field(default_factory=list, name="(not read)")


class _Pod(msgspec.Struct, rename="camel", gc=False):
    metadata: _Metadata
    spec: msgspec.Raw
    status: core_v1.PodStatus


class _Event(msgspec.Struct, gc=False):
    type: str
    object: _Pod


class _List(msgspec.Struct, gc=False):
    metadata: ListHead
    items: list[_Pod]


_event = msgspec.json.Decoder(_Event)
_list = msgspec.json.Decoder(_List)
_specs: Recent[core_v1.PodSpec] = Recent()


def pod_event(line: bytes) -> tuple[str, core_v1.Pod]:
    """Raises `msgspec.ValidationError` where only the usual way may help."""
    event = _event.decode(line)
    return event.type, _pod(event.object)


def pod_list(data: bytes) -> ObjectList[core_v1.Pod]:
    """Raises `msgspec.ValidationError` where only the usual way may help."""
    listed = _list.decode(data)
    return ObjectList(metadata=listed.metadata, items=[_pod(one) for one in listed.items])


EVENTS: Mapping[type, Callable[[bytes], tuple[str, Any]]] = {core_v1.Pod: pod_event}
LISTS: Mapping[type, Callable[[bytes], ObjectList[Any]]] = {core_v1.Pod: pod_list}


def _pod(parts: _Pod) -> core_v1.Pod:
    return core_v1.Pod(metadata=parts.metadata, spec=_spec(bytes(parts.spec)), status=parts.status)


def _spec(text: bytes) -> core_v1.PodSpec:
    # A member right before the brace that ends the spec is the spec's own.
    start = text.rfind(_NODE_NAME, -_LONGEST_NAME - len(_NODE_NAME) - 2)
    name = text[start + len(_NODE_NAME) : -2]
    if start < 0 or not text.endswith(b'"}') or b'"' in name or b"\\" in name:
        return _known(text)
    return msgspec.structs.replace(_known(text[:start] + b"}"), node_name=name.decode())


def _known(text: bytes) -> core_v1.PodSpec:
    spec = _specs.get(text)
    if spec is None:
        spec = codec.decode(core_v1.PodSpec, text)
        _specs.keep(text, spec)
    return spec
