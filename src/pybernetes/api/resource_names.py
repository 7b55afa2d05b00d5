"""Names of resources that pods ask for and quotas limit: which belong to Kubernetes, which to devices.

Follows pkg/apis/core/helper/helpers.go.
"""

from __future__ import annotations

from functools import lru_cache

from pybernetes.api.fields import is_qualified_name

HUGEPAGES = "hugepages-"
REQUESTS = "requests."
DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"


def is_native(name: str) -> bool:
    return "/" not in name or "kubernetes.io/" in name


@lru_cache(maxsize=1024)
def is_extended(name: str) -> bool:
    """Whether it is a device's, which nodes offer in whole numbers."""
    return not is_native(name) and not name.startswith(REQUESTS) and not is_qualified_name(REQUESTS + name)
