"""Plugins in plain Python, and how they are found.

A plugin is a function or an object with a method for each extension point where it acts (``plain_adapter.METHODS``):
``filter(pod, node)`` says None, or why the node will not do; ``score(pod, node)`` says how good it is, from 0 to 100. A
bare function is a filter. They see models of the API: a ``core_v1.Pod`` and a ``core_v1.Node``. Packages offer them
under the entry point ``pybernetes.scheduler``; ``--plugin module:name`` names others.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from pybernetes.scheduler.configuration.arguments import Arguments
from pybernetes.scheduler.configuration.merging import ConfigurationError, Point
from pybernetes.scheduler.plain_adapter import METHODS, PlainPlugin
from pybernetes.scheduler.registry import ROWS, Parts, Row

GROUP = "pybernetes.scheduler"


def rows_with(references: Sequence[str] = ()) -> Mapping[str, Row]:
    """The rows of all plugins: ours, those that installed packages offer, those named. Raises ConfigurationError."""
    rows = dict(ROWS)
    for point in entry_points(group=GROUP):
        try:
            found = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(f"scheduler plugin {point.name} ({point.value}): {error}") from error
        _add(rows, point.name, found)
    for reference in references:
        found = _found(reference)
        _add(rows, str(getattr(found, "name", "") or reference.rpartition(":")[2]), found)
    return rows


def row_of(name: str, found: Any) -> Row:
    """A class is called without arguments for its one instance. Raises ConfigurationError."""
    plugin = found() if isinstance(found, type) else found
    methods = {method: getattr(plugin, method) for method in METHODS if hasattr(plugin, method)}
    if not methods and callable(plugin):
        methods = {"filter": plugin}
    if not methods:
        raise ConfigurationError(f"scheduler plugin {name} has none of the methods {', '.join(METHODS)}")
    points = tuple(point for point in Point if any(point in METHODS[method] for method in methods))

    def make(parts: Parts, given: Arguments) -> PlainPlugin:
        if (attach := getattr(plugin, "attach", None)) is not None:
            attach(parts.waiting)
        return PlainPlugin(name, methods)

    return Row(make, points, Arguments, added=True)


def _add(rows: dict[str, Row], name: str, found: Any) -> None:
    if name in rows:
        raise ConfigurationError(f"a plugin named {name} already exists")
    rows[name] = row_of(name, found)


def _found(reference: str) -> Any:
    module, _, name = reference.partition(":")
    if not (module and name):
        raise ConfigurationError(f"scheduler plugin {reference!r}: want MODULE:NAME")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"scheduler plugin {reference}: {error}") from error
