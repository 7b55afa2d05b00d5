"""Which objects a list or a watch is about: a namespace's, one name, labels, fields.

Follows k8s.io/apiserver/pkg/storage/selection_predicate.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pybernetes.api import errors
from pybernetes.api.selectors import FieldSelector, LabelSelector, Operator
from pybernetes.apiserver.kind_cache import KindCache, Pair, mark_pair
from pybernetes.apiserver.list_options import ListOptions
from pybernetes.apiserver.objects import StoredObject
from pybernetes.apiserver.resource import Resource
from pybernetes.apiserver.view import View
from pybernetes.apiserver.watch_events import Interest

NAME = "metadata.name"
NAMESPACE = "metadata.namespace"
_EXACT = (Operator.EQUALS, Operator.DOUBLE_EQUALS, Operator.IN)


@dataclass(frozen=True, slots=True)
class Selection:
    view: View
    namespace: str = ""
    name: str = ""
    labels: LabelSelector | None = None
    fields: FieldSelector | None = None
    pairs: tuple[Pair, ...] = ()
    """Labels and marks that every selected object has."""

    @property
    def everything(self) -> bool:
        """Everything in its namespace."""
        return self.labels is None and self.fields is None and not self.name

    def matches(self, stored: StoredObject) -> bool:
        if self.name and stored.name != self.name:
            return False
        if self.labels is not None and not self.labels.matches(stored.labels):
            return False
        return self.fields is None or self.fields.matches(_getter(self.view, stored))

    @property
    def interest(self) -> Interest:
        """The narrowest group of events that this selection is among."""
        if self.namespace or self.name:
            return Interest(self.namespace, self.name)
        if self.fields is not None:
            for path in self.view.resource.dispatch:
                value = self.fields.exact(path)
                if value is not None:
                    return Interest(field=path, value=value)
        return Interest()


def select(view: View, namespace: str, name: str, options: ListOptions) -> Selection:
    """Raises 400 for fields that the kind cannot be selected by."""
    fields = options.fields
    if fields is not None:
        for requirement in fields.requirements:
            check_field(view.resource, requirement.field)
        named = fields.exact(NAME)
        if named is not None:
            name = name or named
            if named and len(fields.requirements) == 1 and name == named:
                fields = None
    pairs = (*_label_pairs(options.labels), *_mark_pairs(view.resource, fields))
    if not view.resource.info.namespaced:
        namespace = ""
    return Selection(view, namespace, name, options.labels, fields, pairs)


def check_field(resource: Resource, path: str) -> None:
    if path == NAME or (path == NAMESPACE and resource.info.namespaced) or path in resource.selectable:
        return
    raise errors.bad_request(resource.unknown_field(path))


def _label_pairs(labels: LabelSelector | None) -> Iterator[Pair]:
    for requirement in labels.requirements if labels is not None else ():
        if requirement.operator in _EXACT and len(requirement.values) == 1:
            yield requirement.key, requirement.values[0]


def _mark_pairs(resource: Resource, fields: FieldSelector | None) -> Iterator[Pair]:
    for path in resource.dispatch if fields is not None else ():
        value = fields.exact(path) if fields is not None else None
        if value is not None:
            yield mark_pair(path, value)


def candidates(cache: KindCache, selection: Selection, start: str = "") -> Sequence[StoredObject]:
    """Few objects, as far as an index tells, among which are all that are selected, in the order of their keys."""
    namespace = selection.namespace
    if selection.name and (namespace or not selection.view.info.namespaced):
        place = f"{namespace}/{selection.name}" if namespace else selection.name
        found = cache.objects.get(cache.prefix + place)
        return [found] if found is not None and selection.name >= start else []
    if selection.pairs:
        return cache.having(namespace, selection.pairs, start)
    return list(cache.under(namespace, start))


def _getter(view: View, stored: StoredObject) -> Callable[[str], str]:
    selectable = view.resource.selectable

    def get(path: str) -> str:
        if path == NAME:
            return stored.name
        if path == NAMESPACE:
            return stored.namespace
        if path in stored.marks:
            return stored.marks[path]
        return selectable[path](view.document(stored))

    return get
