from __future__ import annotations

from hypothesis import HealthCheck, settings

pytest_plugins = ["pybernetes.testing.pytest_plugin", "e2e.shared", "clients.servers"]

# How long an example takes says how busy the machine is, not whether a law holds. Every ordinary run tries the same
# examples, so that none fails by chance; `--hypothesis-profile=nightly` looks for new ones.
settings.register_profile("nightly", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("laws", settings.get_profile("nightly"), derandomize=True)
settings.load_profile("laws")
