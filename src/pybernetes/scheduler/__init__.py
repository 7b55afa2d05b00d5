"""The scheduler: a queue, a columnar picture of the cluster, plugins that judge all nodes at once, and bindings.

`framework` says what a plugin is; `plugins/` has a file for each; `evaluation` turns their answers into a decision.
"""

from __future__ import annotations

from pybernetes.scheduler.scheduler import Scheduler

__all__ = ["Scheduler"]
