from __future__ import annotations

pytest_plugins = ["pybernetes.testing.pytest_plugin"]
