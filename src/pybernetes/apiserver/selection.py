"""Which objects a list or a watch is about: a namespace's, one name, labels, fields.

Follows k8s.io/apiserver/pkg/storage/selection_predicate.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pybernetes.api import errors
from pybernetes.api.selectors import FieldSelector, LabelSelector, Operator
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
    label_pairs: tuple[tuple[str, str], ...] = ()

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
            check_field(view.resource, requirement.field, fields)
        named = fields.exact(NAME)
        if named is not None:
            name = name or named
            if len(fields.requirements) == 1 and name == named:
                fields = None
    pairs = exact_pairs(options.labels) if options.labels is not None else ()
    if not view.resource.info.namespaced:
        namespace = ""
    return Selection(view, namespace, name, options.labels, fields, pairs)


def check_field(resource: Resource, path: str, fields: FieldSelector) -> None:
    if path == NAME or (path == NAMESPACE and resource.info.namespaced) or path in resource.selectable:
        return
    raise errors.bad_request(
        f'Unable to find "{resource.info.group_version_resource}" that match label selector "", field selector '
        f'"{fields}": field label not supported: {path}'
    )


def exact_pairs(labels: LabelSelector) -> tuple[tuple[str, str], ...]:
    """Labels that every selected object has."""
    return tuple(
        (requirement.key, requirement.values[0])
        for requirement in labels.requirements
        if requirement.operator in _EXACT and len(requirement.values) == 1
    )


def _getter(view: View, stored: StoredObject) -> Callable[[str], str]:
    selectable = view.resource.selectable

    def get(path: str) -> str:
        if path == NAME:
            return stored.name
        if path == NAMESPACE:
            return stored.namespace
        return selectable[path](view.document(stored))

    return get
