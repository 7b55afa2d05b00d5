"""Which flow a request belongs to, from a digest of the configuration.

Guarantees
  The schema with the lowest matching precedence wins, and among equals the one whose name comes first.
  What was found for a user and a kind of request is remembered until the configuration changes: a table is a value that
  is replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pybernetes.api.models.flowcontrol_v1 import FlowSchema
from pybernetes.apiserver.auth.contract import User
from pybernetes.apiserver.fairness import rules
from pybernetes.apiserver.fairness.level import Level
from pybernetes.apiserver.http import ClassifiedAs
from pybernetes.apiserver.request_info import RequestInfo

REMEMBERED = 4096


class Flow:
    """One schema's requests; the distinguisher tells its flows apart."""

    __slots__ = ("by", "classified", "level", "schema", "uid")

    def __init__(self, schema: FlowSchema, level: Level) -> None:
        self.schema = schema.metadata.name
        self.uid = schema.metadata.uid
        self.level = level
        method = schema.spec.distinguisher_method
        self.by = method.type if method is not None else ""
        self.classified = ClassifiedAs.of(self.uid, level.uid)

    def distinguisher(self, user: User, info: RequestInfo) -> str:
        match self.by:
            case "ByUser":
                return user.name
            case "ByNamespace":
                return info.namespace
        return ""


class FlowTable:
    def __init__(self, schemas: Iterable[FlowSchema], levels: Mapping[str, Level]) -> None:
        """Schemas whose level does not exist match nothing."""
        ordered = sorted(schemas, key=lambda one: (one.spec.matching_precedence, one.metadata.name))
        self._flows = [
            (schema, Flow(schema, levels[schema.spec.priority_level_configuration.name]))
            for schema in ordered
            if schema.spec.priority_level_configuration.name in levels
        ]
        self._remembered: dict[tuple[object, ...], Flow] = {}

    @property
    def levels(self) -> tuple[Level, ...]:
        """Those that some schema leads to."""
        return tuple({flow.level.name: flow.level for _, flow in self._flows}.values())

    def of(self, user: User, info: RequestInfo) -> Flow:
        key: tuple[object, ...]
        if info.is_resource:
            key = (user.name, user.groups, info.verb, info.group, info.resource, info.subresource, info.namespace)
        else:
            key = (user.name, user.groups, info.verb, info.path)
        found = self._remembered.get(key)
        if found is None:
            if len(self._remembered) >= REMEMBERED:
                self._remembered.clear()
            found = self._remembered[key] = self._find(user, info)
        return found

    def _find(self, user: User, info: RequestInfo) -> Flow:
        for schema, flow in self._flows:
            if rules.matches(schema, user, info):
                return flow
        return self._flows[-1][1]
