from __future__ import annotations

from hypothesis import settings

pytest_plugins = ["pybernetes.testing.pytest_plugin", "e2e.shared", "clients.servers"]

# How long an example takes says how busy the machine is, not whether a law holds.
settings.register_profile("laws", deadline=None)
settings.load_profile("laws")
